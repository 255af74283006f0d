"""Signatures against the examples that AWS publishes.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from datetime import UTC, datetime

import pytest

from taskflow.base.sigv4 import Credentials, path_of, signed_headers

CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
NOW = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "https://examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "signature"),
    [
        ("GET", path_of("test.txt"), {"Range": "bytes=0-9"}, b"",
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("PUT", path_of("test$file.text"),
         {"Date": "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY"},
         b"Welcome to Amazon S3.", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    ],
)  # fmt: skip
def test_the_published_examples_come_out(
    method: str, path: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    signed = signed_headers(CREDENTIALS, method, HOST + path, headers, body, NOW)
    assert signed["authorization"].rpartition("Signature=")[2] == signature
    assert "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request" in signed["authorization"]


def test_the_secret_stands_in_no_header() -> None:
    signed = signed_headers(CREDENTIALS, "GET", HOST + "/x", {}, b"", NOW)
    assert CREDENTIALS.secret_key not in str(signed)
    assert CREDENTIALS.secret_key not in repr(CREDENTIALS)


def test_a_path_keeps_its_slashes_and_escapes_the_rest() -> None:
    assert path_of("bucket", "media/a b+c%é") == "/bucket/media/a%20b%2Bc%25%C3%A9"
