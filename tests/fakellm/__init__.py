"""A fake LLM server that speaks OpenAI's and Anthropic's wire format, for tests and load measurements.

    python -m tests.fakellm --port 0          prints its URL, serves until it is stopped
    with FakeLLM() as fake: ...               the same as a child process, from Python

How a call is answered, first match counts:

1. A script given over the control API (`FakeLLM.script`, or POST /script with a list): one with a `match` that is
   part of the last user message, else the first one without. Each is used `repeat` times (1; 0 is for ever).
   The keys are the fields of `answers.Answer`, for example {"text": "hi", "delay": 0.1} or {"status": 500}.
2. Directives in the last user message, one to a line (for many agents that share one server):
       !say TEXT              answer with TEXT             !think TEXT        a thought before it
       !call NAME {json}      call a tool (may be repeated)
       !sleep SECONDS         wait before the first byte   !delay SECONDS     wait between two chunks
       !status 429 {headers}  an error with this status    !cut N             close the connection after N chunks
       !hang                  never answer                 !stall N           go silent after N chunks
       !then                  what follows is for the next call of the same turn (behind the tools' returns)
3. Behind a tool's return: `returned: <the return>`.
4. Otherwise: `ok: <the user's text>`.

A user message that is a JSON object with a `message` stands for that message; heartbeats (`"type": "heartbeat"`) are
passed over. Besides the calls in flight the server counts those of each conversation, told by `[conversation NAME]`
in the user's message, or by AGENT_ID and CONVERSATION_ID in the system prompt.

Vectors (POST /v1/embeddings) are near to each other where texts share words; errors, silence and wrong dimensions are
scripted with POST /script-embeddings (`FakeLLM.script_embeddings`).

Control: POST /script, POST /reset, GET /calls (the last 1,000 requests with their times), GET /stats.
"""

from tests.fakellm.process import FakeLLM

__all__ = ["FakeLLM"]
