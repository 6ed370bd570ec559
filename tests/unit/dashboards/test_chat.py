"""Messages as a transcript."""

import json

from spanwise_dashboards import chat


def turns(*messages: object) -> list[chat.Turn]:
    return chat.transcript(json.dumps(messages), "input_messages")


def text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def test_roles_texts_and_addresses():
    first, second = turns(
        {"role": "system", "parts": [text("Be kind.")]},
        {"role": "user", "parts": [text("Hello"), text("again")], "name": "ann"},
    )
    assert (first.name, second.name) == ("System", "User ann")
    assert second.text == "Hello\nagain"
    assert second.blocks[1].passage is not None
    assert second.blocks[1].passage.path == "input_messages/1/parts/1/content"


def test_a_tool_call_takes_its_result_and_the_tool_message_goes():
    call = {"type": "tool_call", "id": "c1", "name": "find", "arguments": '{"n": 1}'}
    made = turns(
        {"role": "assistant", "parts": [call]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"ok": True}}]},
    )
    assert [turn.role for turn in made] == ["assistant"]
    assert made[0].note == "1 tool call"
    block = made[0].blocks[0]
    assert "ok" in str(block.result_json)
    assert "n" in str(block.arguments)


def test_results_without_a_call_and_second_results_stay_on_their_own():
    call = {"type": "tool_call", "id": "c1", "name": "find", "arguments": {}}
    answer = {"type": "tool_call_response", "id": "c1", "response": "one"}
    stray = {"type": "tool_call_response", "id": "c9", "response": "two"}
    made = turns(
        {"role": "assistant", "parts": [call]},
        {"role": "tool", "parts": [answer]},
        {"role": "tool", "parts": [answer, stray]},
    )
    assert [turn.role for turn in made] == ["assistant", "tool"]
    assert [block.result.content for block in made[1].blocks if block.result] == ["one", "two"]


def test_reasoning_media_and_unknown_parts():
    (turn,) = turns(
        {
            "role": "assistant",
            "finish_reason": "length",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "blob", "mime_type": "image/png", "content": "aGk="},
                {"type": "blob", "mime_type": "image/svg+xml", "content": "aGk="},
                {"type": "uri", "uri": "https://a.example/x.png", "modality": "image"},
                {"type": "new_kind", "x": 1},
            ],
        }
    )
    assert [block.kind for block in turn.blocks] == ["reasoning", "media", "media", "media", "other"]
    assert [block.media for block in turn.blocks[1:3]] == ["image", ""]  # SVG can carry script
    assert turn.note == "cut off at the length limit"


def test_what_is_no_message_list_is_shown_as_it_is():
    (turn,) = chat.transcript("not json", "input_messages")
    assert turn.blocks[0].passage is not None
    assert turn.blocks[0].passage.content == "not json"
    assert chat.transcript("", "input_messages") == []
    odd = chat.transcript(json.dumps(["text", {"role": "user", "content": "old shape"}, 3]), "input_messages")
    assert [turn.role for turn in odd] == ["other", "user", "other"]
    assert odd[1].text == "old shape"


def test_the_last_text_of_a_role():
    document = json.dumps(
        [
            {"role": "user", "parts": [text("first")]},
            {"role": "user", "parts": [text("second")]},
            {"role": "user", "parts": [{"type": "blob"}]},
        ]
    )
    assert chat.last_text(document, "user") == "second"
    assert chat.last_text(document, "assistant") == ""
    assert chat.last_text("{}", "user") == ""
