-- Spans of a production-like week for the benchmark: traces of seven spans (an agent, two chats, a retrieval,
-- an embedding, a tool, a step). Parameters: first and count of the rows, base (ns), step_ns between traces.
INSERT INTO spans
(
    project_id, trace_id, span_id, parent_span_id, start, duration_ns, version, received,
    name, kind, status, service, environment, operation, provider, request_model, response_model,
    conversation_id, user_id, prompt_name, tags, input_tokens, output_tokens, cached_input_tokens,
    sample_weight, is_billable, cost_usd, cost_status, price_source, input_messages, output_messages,
    input_text, output_text, attributes_string, attributes_int, resource
)
WITH
    intDiv(number, 7) AS trace,
    number % 7 AS place,
    ['invoke_agent', 'chat', 'retrieval', 'embeddings', 'execute_tool', 'chat', ''][place + 1] AS kind_of_work,
    kind_of_work IN ('chat', 'embeddings') AS billable,
    sipHash64(trace) AS luck,
    ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-5', 'gemini-2.5-pro'][luck % 4 + 1] AS chat_model,
    multiIf(kind_of_work = 'chat', chat_model, kind_of_work = 'embeddings', 'text-embedding-3-small', '') AS model,
    arrayStringConcat(arrayMap(i -> {words:Array(String)}[sipHash64(number, i) % length({words:Array(String)}) + 1],
        range(toUInt64(60 + sipHash64(number) % 200))), ' ') AS text
SELECT
    'default',
    sipHash128(trace),
    reinterpretAsFixedString(sipHash64(number + 1)),
    if(place = 0, toFixedString('', 8), reinterpretAsFixedString(sipHash64(trace * 7 + 1))),
    fromUnixTimestamp64Nano(toInt64({base:Int64} + trace * {step_ns:Int64} + place * 150000000), 'UTC'),
    toInt64(if(place = 0, 2000000000, 300000000) + luck % 1000000000),
    bitShiftLeft(toUInt64(1), 63) + number,
    fromUnixTimestamp64Nano(toInt64({base:Int64} + trace * {step_ns:Int64}), 'UTC'),
    concat(kind_of_work, ' ', model), 'client',
    if(sipHash64(number, 9) % 60 = 0, 'error', 'unset'),
    ['support-bot', 'search-api', 'summariser', 'back-office'][luck % 7 % 4 + 1],
    if(luck % 5 = 0, 'staging', 'production'),
    kind_of_work, if(billable, 'openai', ''), model, model,
    concat('conversation-', toString(intDiv(trace, 5))),
    concat('user-', toString(luck % 5000)),
    if(kind_of_work = 'chat', concat('prompt-', toString(luck % 12)), ''),
    if(luck % 3 = 0, ['beta', 'eu'], ['eu']),
    if(billable, 400 + luck % 3000, NULL),
    if(kind_of_work = 'chat', 50 + luck % 700, NULL),
    if(kind_of_work = 'chat', luck % 300, NULL),
    1, billable, if(billable, toDecimal64((luck % 100000) / 10000000, 12), NULL),
    if(billable, 'priced', 'not_billable'), if(billable, 'genai-prices, of 2025-05-01', ''),
    if(kind_of_work = 'chat', concat('[{"role":"user","parts":[{"type":"text","content":"', text, '"}]}]'), ''),
    if(kind_of_work = 'chat',
        concat('[{"role":"assistant","parts":[{"type":"text","content":"', reverse(text), '"}]}]'), ''),
    if(kind_of_work IN ('invoke_agent', 'retrieval', ''), substring(text, 1, 400), ''),
    if(kind_of_work IN ('invoke_agent', ''), substring(text, 100, 400), ''),
    map('gen_ai.request.id', toString(luck), 'session.cookie', hex(luck), 'server.address', 'api.openai.com',
        'gen_ai.output.type', 'text'),
    map('server.port', 443, 'gen_ai.request.seed', toInt64(luck % 1000)),
    '{"service.name":"support-bot","host.name":"worker-1","telemetry.sdk.language":"python"}'
FROM numbers({first:UInt64}, {count:UInt64})
