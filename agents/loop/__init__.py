"""The agent loop, in pure code: no Django, no Celery, no network.

    state.py      what a step starts from
    context.py    state -> the request for the model
    reply.py      the model's stream of events -> one Reply
    decision.py   reply and tool returns -> go on, or stop and why
    step.py       the four of them, in order

`ports.py` names what the loop asks of the outside; `workers/wiring.py` supplies it.
"""
