-- One agent talks a lot: a fifth of all that is said. Each of the others has had two turns, in its own thread.
SET statement_timeout = 0;
INSERT INTO agents_agent (id, organization_id, name, agent_type, system, model, model_settings, tool_rules, tags,
       timezone, message_buffer_autoclear, max_files_open, per_file_view_window_char_limit, labels_of_origin,
       sealed_secrets, initial_messages, created_at, updated_at)
SELECT 'agent-' || gen_random_uuid(), %(organization)s, 'agent ' || n, 'letta_v1_agent', '', 'demo/scripted', '{}', '[]',
       ARRAY['tag ' || n / 10], 'UTC', false, 5, 1000, '{}', '', '[]', moment, moment
  FROM (SELECT n, now() - (100000 - n) * interval '1 minute' AS moment FROM generate_series(1, 99999) AS n) AS made;
INSERT INTO agents_conversation (id, organization_id, agent_id, is_default, created_at, updated_at, epoch, owner,
       next_seq, context_from)
SELECT 'conv-' || gen_random_uuid(), organization_id, id, true, created_at, created_at, 0, '', 9, 2
  FROM agents_agent WHERE NOT EXISTS (SELECT 1 FROM agents_conversation AS c WHERE c.agent_id = agents_agent.id);
INSERT INTO agents_conversation (id, organization_id, agent_id, is_default, created_at, updated_at, epoch, owner,
       next_seq, context_from)
SELECT 'conv-' || gen_random_uuid(), %(organization)s, %(agent)s, false, now() - n * interval '1 second', now(), 0, '',
       1, 2 FROM generate_series(1, 20000) AS n;
INSERT INTO agents_run (id, organization_id, agent_id, conversation_id, seq, kind, background, status, input, options,
       fingerprint, steps_done, claims, deadline_at, stop_reason, created_at, completed_at)
SELECT 'run-' || gen_random_uuid(), organization_id, agent_id, id, n, 'send_message', false, 'completed', '[]', '{}', '',
       1, 1, now(), 'end_turn', created_at + n * interval '1 second', created_at + n * interval '2 seconds'
  FROM agents_conversation, generate_series(1, 2) AS n WHERE is_default;
INSERT INTO agents_run (id, organization_id, agent_id, conversation_id, seq, kind, background, status, input, options,
       fingerprint, steps_done, claims, deadline_at, stop_reason, created_at, completed_at)
SELECT 'run-' || gen_random_uuid(), %(organization)s, %(agent)s, %(conversation)s, n, 'send_message', false, 'completed',
       '[]', '{}', '', 1, 1, now(), 'end_turn', now() + n * interval '1 second', now() + n * interval '2 seconds'
  FROM generate_series(100, 20300) AS n;
INSERT INTO agents_step (id, organization_id, agent_id, run_id, no, status, epoch, model, created_at)
SELECT 'step-' || gen_random_uuid(), organization_id, agent_id, id, 0, 'committed', 1, 'demo/scripted', created_at
  FROM agents_run;
INSERT INTO agents_message (id, organization_id, agent_id, conversation_id, seq, role, call_index, content, text,
       created_at)
SELECT 'message-' || gen_random_uuid(), organization_id, agent_id, id, n, 'user', 0, '{"content": "x"}', 'x',
       created_at + n * interval '1 second'
  FROM agents_conversation, generate_series(2, 9) AS n WHERE is_default AND id <> %(conversation)s;
INSERT INTO agents_message (id, organization_id, agent_id, conversation_id, seq, run_id, step_id, role, call_index,
       content, text, created_at)
SELECT 'message-' || gen_random_uuid(), run.organization_id, run.agent_id, conversation_id, 2 + run.seq * 10 + n, run.id,
       step.id, 'user', n, '{"content": "x"}', 'x', run.created_at + n * interval '1 millisecond'
  FROM agents_run AS run JOIN agents_step AS step ON step.run_id = run.id, generate_series(0, 9) AS n
 WHERE conversation_id = %(conversation)s;
UPDATE agents_conversation SET next_seq = 300000, context_from = 202900 WHERE id = %(conversation)s;
INSERT INTO memory_block (id, organization_id, label, value, "limit", read_only, tags, metadata, labels_of_origin,
       version, created_at, updated_at)
SELECT 'block-' || gen_random_uuid(), %(organization)s, 'label ' || n %% 1000, '', 1000, false, '{}', '{}', '{}', 0,
       now() - n * interval '1 second', now() FROM generate_series(1, 50000) AS n;
ANALYZE;
