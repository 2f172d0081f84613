from tests.live import Server


def test_hello(server: Server):
    client = server.client()
    agent = server.agent()
    answer = client.agents.messages.create(agent, input="hello")
    assert [m.message_type for m in answer.messages] == ["assistant_message"]
    print(server.transcript(agent))
