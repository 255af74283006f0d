"""The reply parser: whatever a server sends, it ends in replies or in one error, within bounds."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.delivery.smtp.reply import MAX_LINE_BYTES, MAX_REPLY_TEXT, MalformedReplyError, Reply, ReplyParser


def parse(*chunks: bytes) -> list[Reply]:
    parser, replies = ReplyParser(), deque[Reply]()
    for chunk in chunks:
        parser.feed(chunk, replies)
    return list(replies)


def test_a_line_is_a_reply() -> None:
    assert parse(b"250 2.0.0 queued as 7\r\n") == [Reply(250, (b"2.0.0 queued as 7",))]


def test_a_code_alone_is_a_reply() -> None:
    assert parse(b"354\r\n") == [Reply(354, (b"",))]


def test_lines_of_one_reply_belong_together() -> None:
    (reply,) = parse(b"250-mail.example\r\n250-SIZE 1000\r\n250 PIPELINING\r\n")
    assert reply.lines == (b"mail.example", b"SIZE 1000", b"PIPELINING")
    assert reply.text == "mail.example SIZE 1000 PIPELINING"


def test_a_bare_line_feed_ends_a_line_too() -> None:
    assert [reply.code for reply in parse(b"250 ok\n354 go\n")] == [250, 354]


@given(st.lists(st.sampled_from([b"250 ok\r\n", b"250-a\r\n250 b\r\n", b"550 5.1.1 no\r\n", b"354\r\n"])), st.data())
def test_replies_do_not_depend_on_how_the_network_cuts_them(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(lines)
    cut = data.draw(st.integers(0, len(stream)))
    assert parse(stream) == parse(stream[:cut], stream[cut:]) == parse(*[bytes([byte]) for byte in stream])


@given(st.binary(max_size=400))
def test_garbage_raises_one_error_or_is_a_reply(stream: bytes) -> None:
    try:
        replies = parse(stream)
    except MalformedReplyError:
        return
    assert all(200 <= reply.code <= 599 for reply in replies)


def test_what_was_complete_before_the_garbage_is_kept() -> None:
    parser, replies = ReplyParser(), deque[Reply]()
    with pytest.raises(MalformedReplyError):
        parser.feed(b"250 taken\r\nHTTP/1.1 400 Bad Request\r\n", replies)
    assert [reply.code for reply in replies] == [250]


@pytest.mark.parametrize(
    "stream",
    [
        b"2" * (MAX_LINE_BYTES + 1),
        b"250 " + b"x" * MAX_LINE_BYTES + b"\r\n",
        b"250-more\r\n" * 129,
        b"250-one\r\n550 other\r\n",
        b"199 no\r\n",
        b"600 no\r\n",
        b"25 no\r\n",
        b"250_no\r\n",
        b"\r\n",
        b"\xff\xfe\r\n",
    ],
)
def test_a_reply_has_bounds(stream: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        parse(stream)


def test_text_is_safe_for_a_log_and_for_postgresql() -> None:
    (reply,) = parse(b"550 no\x00 \x1b[31mred\r\x85 caf\xc3\xa9 \xff\r\n")
    assert reply.text == "no   [31mred \ufffd café \ufffd"
    assert len(Reply(250, (b"x" * 4000,)).text) == MAX_REPLY_TEXT
