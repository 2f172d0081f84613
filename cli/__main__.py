"""`python -m cli`, which ./perdure runs: the commands."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.configuration import Refused
from cli.server import DEFAULT_AGENT
from project.embedded import EmbeddedError
from project.env import SettingError

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(
    name="perdure",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A server for stateful agents: ./perdure up starts it, ./perdure chat talks to it.",
)


@app.command()
def up() -> None:
    """Start the server; Ctrl-C stops it.

    PERDURE_PORT is the port that it listens on (8283), PERDURE_HOME the folder of its data (.perdure in the checkout).
    docs/settings.md has the rest.
    """
    from cli.up import up

    up()


@app.command()
def chat(agent: Annotated[str, typer.Argument(help="Name or id.")] = DEFAULT_AGENT) -> None:
    """Talk to an agent of the running server."""
    from cli.chat import chat

    chat(agent)


@app.command()
def send(
    words: Annotated[
        list[str], typer.Argument(metavar="[AGENT] TEXT", help="The agent's name or id, and the message.")
    ],
) -> None:
    """Send one message and print the answer."""
    from cli.send import send

    if len(words) > 2:
        raise Refused("Too many words; put the message in quotes: ./perdure send AGENT 'the message'.")
    send(words[0] if len(words) == 2 else DEFAULT_AGENT, words[-1])


@app.command()
def window(agent: Annotated[str, typer.Argument(help="Name or id.")] = DEFAULT_AGENT) -> None:
    """What fills an agent's context window, part by part."""
    from cli.window import show

    show(agent)


@app.command()
def agents(
    name: Annotated[str | None, typer.Option(help="Only those with this in their name.")] = None,
) -> None:
    """The agents of the organization, the newest first: id, name, model, last run."""
    from cli.agents import listed

    listed(name)


tools = typer.Typer(no_args_is_help=True, help="Tools that agents call: list, create, attach, detach, schema, try.")
app.add_typer(tools, name="tools")

SOURCE = Annotated[Path, typer.Argument(metavar="FILE", help="Python source; its last function is the tool.")]


@tools.command("list")
def list_tools() -> None:
    """Every tool of the organization."""
    from cli.tools import listed

    listed()


@tools.command("create")
def create_tool(file: SOURCE) -> None:
    """Save the function as a tool, or overwrite the tool of its name."""
    from cli.tools import created

    created(file)


AGENT = Annotated[str, typer.Argument(metavar="AGENT", help="Name or id.")]
TOOL = Annotated[str, typer.Argument(metavar="TOOL", help="Name or id.")]


@tools.command("attach")
def attach_tool(agent: AGENT, tool: TOOL) -> None:
    """Give a tool to an agent."""
    from cli.tools import attached

    attached(agent, tool)


@tools.command("detach")
def detach_tool(agent: AGENT, tool: TOOL) -> None:
    """Take a tool from an agent."""
    from cli.tools import detached

    detached(agent, tool)


@tools.command("schema")
def show_schema(file: SOURCE) -> None:
    """What a model would be shown of it."""
    from cli.tools import schema

    schema(file)


@tools.command("try")
def try_tool(
    file: SOURCE, arguments: Annotated[str, typer.Argument(help='JSON, such as {"num_sides": 6}.')] = "{}"
) -> None:
    """Run it once in the jail, without saving it."""
    from cli.tools import tried

    tried(file, arguments)


approvals = typer.Typer(no_args_is_help=True, help="Tool calls that wait for consent: list, approve, deny.")
app.add_typer(approvals, name="approvals")

APPROVAL = Annotated[str, typer.Argument(metavar="ID", help="As the list shows it.")]
REASON = Annotated[str | None, typer.Option(help="Told to the model.")]


@approvals.command("list")
def list_approvals() -> None:
    """What waits for an answer, longest waiting first."""
    from cli.approvals import listed

    listed()


@approvals.command()
def approve(id: APPROVAL) -> None:
    """Let all calls of it run."""
    from cli.approvals import answered

    answered(id, approve=True)


@approvals.command()
def deny(id: APPROVAL, reason: REASON = None) -> None:
    """Have none of its calls run."""
    from cli.approvals import answered

    answered(id, approve=False, reason=reason)


blocks = typer.Typer(no_args_is_help=True, help="Blocks of core memory: list, history, undo, import.")
app.add_typer(blocks, name="blocks")

BLOCK = Annotated[str, typer.Argument(metavar="BLOCK_ID", help="As the list shows it.")]
VERSION = Annotated[int | None, typer.Option(min=1, help="As the history shows it; without it, the one before.")]


@blocks.command("list")
def list_blocks(agent: AGENT) -> None:
    """The blocks of an agent: id, label and size."""
    from cli.blocks import listed

    listed(agent)


@blocks.command()
def history(block_id: BLOCK) -> None:
    """The versions of a block, newest first: who made them, and what they changed."""
    from cli.blocks import history

    history(block_id)


@blocks.command()
def undo(block_id: BLOCK, version: VERSION = None) -> None:
    """Take a block back to an earlier version; that is a new version."""
    from cli.blocks import undo

    undo(block_id, version)


@blocks.command("import")
def import_blocks(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON: blocks as the API lists them, or one a line.")],
    agent: Annotated[str | None, typer.Option(help="Name or id; its blocks of the same labels are changed.")] = None,
) -> None:
    """Make or change blocks from a file, all or none."""
    from cli.blocks import imported

    imported(file, agent)


identities = typer.Typer(no_args_is_help=True, help="Identities, and all that belongs to them: list, export, erase.")
app.add_typer(identities, name="identities")

IDENTITY = Annotated[str, typer.Argument(metavar="IDENTITY", help="Its identifier_key or id.")]


@identities.command("list")
def list_identities() -> None:
    """Every identity of the organization: id, identifier_key, name and how many agents it has."""
    from cli.identities import listed

    listed()


@identities.command("export")
def export_identity(identity: IDENTITY, file: Annotated[Path, typer.Argument(help="A new file, JSON lines.")]) -> None:
    """Write its agents, blocks, conversations, messages, runs and passages to a file."""
    from cli.identities import exported

    exported(identity, file)


@identities.command("erase")
def erase_identity(
    identity: IDENTITY, yes: Annotated[bool, typer.Option("--yes", help="Really; it cannot be undone.")] = False
) -> None:
    """Delete it and all that belongs to it alone."""
    from cli.identities import erased

    erased(identity, yes)


retention = typer.Typer(no_args_is_help=True, help="How long rows are kept: show, set.")
app.add_typer(retention, name="retention")

DAYS = Annotated[int | None, typer.Option(min=0, help="Days; 0: for ever.")]


@retention.command("show")
def show_retention() -> None:
    """How long what is kept, and what was deleted for its age."""
    from cli.retention import show

    show()


@retention.command("set")
def set_retention(runs: DAYS = None, messages: DAYS = None, block_versions: DAYS = None) -> None:
    """Keep ended runs, messages out of context, or older versions of blocks for so many days."""
    from cli.retention import keep

    keep(runs=runs, messages=messages, block_versions=block_versions)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def manage(context: typer.Context) -> None:
    """Run a command of Django's manage.py, for example: ./perdure manage createsuperuser."""
    from cli.manage import manage

    raise typer.Exit(manage(context.args))


@app.command("test", context_settings=PASSED_ON)
def check(
    context: typer.Context,
    faults: Annotated[bool, typer.Option("--faults", help="Also the slow tests that kill real processes.")] = False,
) -> None:
    """Check style, types and imports, then run the tests; other options go to pytest."""
    from cli.checks import check

    raise typer.Exit(check(faults, context.args))


@app.command(context_settings=PASSED_ON, add_help_option=False)
def soak(context: typer.Context) -> None:
    """Kill, freeze and flush a server of its own under load: --minutes N --seed S."""
    from cli.checks import soak

    raise typer.Exit(soak(context.args))


def main() -> None:
    try:
        app(prog_name="./perdure")
    except KeyboardInterrupt:
        sys.exit(130)
    except (Refused, EmbeddedError, SettingError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
