"""Request bodies that no serializer describes: what the views of messages and streams read by themselves."""

from agents.api.answers import CLIENT_TOOL_NAME
from agents.api.inputs import ROLES
from agents.api.openapi.notation import Fields, Schema, object_of, schema_of

_SENDING: Fields = {
    "input?": "Content? - what the user says; `messages` is the longer form, and one of the two is needed",
    "messages?": "[MessageInput]? - messages, or one answer to calls that wait",
    "max_steps?": "int? - how many steps the run may take",
    "use_assistant_message?": "bool? - show what an agent says through its tool as an assistant message",
    "assistant_message_tool_name?": "text?",
    "assistant_message_tool_kwarg?": "text?",
    "include_return_message_types?": "[text]? - leave the other kinds of messages out of the answer",
    "include_compaction_messages?": "bool? - show compactions as what they are, not as what a user says",
    "override_model?": "text? - a handle, for this run alone",
    "override_system?": "text? - instructions, for this run alone",
    "system?": "text? - the same",
    "client_tools?": "[ClientTool]? - tools that the client runs itself",
}
_STREAMING: Fields = {
    "streaming?": "bool?",
    "stream_tokens?": "bool? - tell texts and calls in pieces, as the model makes them",
    "include_pings?": "bool?",
    "background?": "bool? - the run goes on without its reader; here every run does",
}
_RESUMING: Fields = {
    "starting_after?": "int? - the `seq_id` of the last event that was heard",
    "stream_tokens?": "bool? - with false, whole messages only",
    "include_pings?": "bool?",
    "batch_size?": "any - of no use here: events are told at once",
    "poll_interval?": "any - the same",
}

BODIES: dict[str, tuple[str, Fields]] = {
    "SendRequest": ("What is said to an agent.", {**_SENDING, **_STREAMING}),
    "AsyncRequest": ("What is said to an agent.", _SENDING),
    "ConversationSendRequest": (
        "What is said in a conversation.",
        {**_SENDING, **_STREAMING, "agent_id?": "text? - whose own thread is meant by `default`"},
    ),
    "ResumeRequest": ("From where to go on.", _RESUMING),
    "ConversationResumeRequest": (
        "Which run to follow, and from where to go on.",
        {
            **_RESUMING,
            "run_id?": "text?",
            "otid?": "text? - of a message that the run was given",
            "agent_id?": "text? - whose own thread is meant by `default`",
        },
    ),
    "ResetRequest": (
        "How the thread begins anew.",
        {"add_default_initial_messages?": "bool? - with the messages that the agent was made with"},
    ),
    "CompactRequest": ("How to compact.", {"compaction_settings?": "object? - instead of the agent's own"}),
    "ConversationCompactRequest": (
        "How to compact.",
        {
            "compaction_settings?": "object? - instead of the agent's own",
            "agent_id?": "text? - whose own thread is meant by `default`",
        },
    ),
    "RunToolRequest": ("What to run the tool with.", {"args?": "object?"}),
    "RunSourceRequest": (
        "A function, and what to run it with.",
        {
            "source_code": "text - Python; its last function is run",
            "source_type?": "'python' | null",
            "args?": "object?",
            "env_vars?": "{text}?",
        },
    ),
    "FileForm": ("A file, with its name.", {"file": "file"}),
    "CancelRequest": (
        "Which runs to cancel: those that are named, or all that have not ended.",
        {"run_ids?": "[text]?"},
    ),
    "ClientTool": (
        f"A tool that the client runs itself. Its name may have {CLIENT_TOOL_NAME} characters.",
        {"name": "text", "description?": "text?", "parameters?": "object? - a JSON schema"},
    ),
    "MessageCreate": (
        "Something that is said.",
        {
            "type?": "'message'",
            "role": " | ".join(f"'{role}'" for role in ROLES),
            "content": "Content",
            "name?": "text?",
            "otid?": "text? - the client's own id; a repeat with the same is not answered twice",
            "sender_id?": "text? - the identity or agent that it comes from; told again with the message",
            "group_id?": "text?",
        },
    ),
    "ApprovalCreate": (
        "An answer to calls that wait. It comes by itself, with no other message.",
        {
            "type": "'approval'",
            "approvals?": "[AnswerInput]?",
            "approve?": "bool? - one verdict on all of them",
            "reason?": "text?",
            "approval_request_id?": "text?",
            "otid?": "text?",
        },
    ),
    "ApprovalVerdict": (
        "An answer to calls that wait: one verdict on all of them, or an answer for each.",
        {"approve?": "bool?", "reason?": "text?", "approvals?": "[AnswerInput]?"},
    ),
    "ToolReturnCreate": (
        "What the client's own tools return. It comes by itself, with no other message.",
        {"type": "'tool_return'", "tool_returns": "[ReturnInput]", "otid?": "text?"},
    ),
    "VerdictInput": (
        "Consent to a call, or refusal.",
        {"type?": "'approval'", "tool_call_id": "text", "approve": "bool", "reason?": "text?"},
    ),
    "ReturnInput": (
        "What a tool returns.",
        {
            "type?": "'tool'",
            "tool_call_id": "text",
            "tool_return": "Content",
            "status": "'success' | 'error'",
            "stdout?": "[text]?",
            "stderr?": "[text]?",
        },
    ),
}


_WORDS = {
    "block_ids": "the blocks that the agent has",
    "tool_ids": "the tools that the agent has",
    "identity_ids": "whom the agent belongs to",
    "folder_ids": "the folders that the agent can read",
    "source_ids": "the older name of `folder_ids`",
    "embedding_chunk_size": "of a passage, in tokens of four characters",
    "agent_ids": "the agents that belong to it",
    "memory_blocks": "blocks to make for the agent",
    "tools": "names of tools",
    "include_base_tools": "also those that the type of agent usually has",
    "include_base_tool_rules": "also the rules that the type of agent usually has",
    "initial_message_sequence": "what has been said before",
    "context_window_limit": "in tokens; without it, the model's own",
    "model_settings": "how the model is asked; a change takes the place of all settings that are stored. Settings of "
    "another provider's type are taken as far as the model's own has them",
    "timezone": "the name of a time zone, for example Europe/Vienna",
    "response_format": "the form of the answers. What was said last counts, here or in `model_settings`; null leaves "
    'it as it is, and `{"type": "text"}` takes it off',
    "max_tokens": "the older form of `model_settings.max_output_tokens`; it leaves the other settings as they are",
    "parallel_tool_calls": "the older form of the same in `model_settings`",
    "enable_reasoner": "with `max_reasoning_tokens`, the older form of `model_settings.thinking`",
    "llm_config": "the older form of `model`, `model_settings`, `context_window_limit` and `response_format`, which "
    "win over it; of an agent's own, sent back, only what differs is taken over",
    "embedding_config": "the older form of `embedding`",
    "secrets": "names and values, for the agent's tools",
    "tool_exec_environment_variables": "the older name of `secrets`",
    "json_schema": "instead of what the source says: name, description, parameters",
    "args_json_schema": "instead of the parameters that the source has",
    "source_code": "Python; its last function is the tool",
}


def describe(asked: Schema, told: Schema) -> None:
    """Give the fields of a request the words that the object has for them, or words of their own."""
    for name, field in asked["properties"].items():
        words = _WORDS.get(name) or told["properties"].get(name, {}).get("description")
        if words and "description" not in field:
            field["description"] = words


def components() -> dict[str, Schema]:
    return {name: object_of(fields, words) for name, (words, fields) in BODIES.items()} | {
        "MessageInput": schema_of("MessageCreate | ApprovalCreate | ToolReturnCreate"),
        "AnswerInput": schema_of("VerdictInput | ReturnInput"),
    }
