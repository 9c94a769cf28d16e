"""A real S3 API for the tests of sources."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="session")
def s3_server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(s3_server, monkeypatch):
    """An empty bucket; the environment says where it is and who may read it, as the cloud's usual chain does."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=s3_server, config=Config(retries={"max_attempts": 1}))
    client.create_bucket(Bucket="lake")
    yield Bucket(client)
    held = client.list_objects_v2(Bucket="lake").get("Contents", [])
    for item in held:
        client.delete_object(Bucket="lake", Key=item["Key"])
    client.delete_bucket(Bucket="lake")
    client.close()


class Bucket:
    """Where a lake is put in S3."""

    location = "s3://lake"

    def __init__(self, client):
        self._client = client

    def put(self, key, data):
        self._client.put_object(Bucket="lake", Key=key, Body=data)


class Folder:
    """Where a lake is put on disk."""

    def __init__(self, path):
        self._path = path
        self.location = str(path)

    def put(self, key, data):
        (self._path / key).parent.mkdir(parents=True, exist_ok=True)
        (self._path / key).write_bytes(data)
