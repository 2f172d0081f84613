"""What users do, from the client's side: letta-client and WebSockets against a real server that nobody breaks."""
