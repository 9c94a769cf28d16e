"""Real APIs of S3 and Google Cloud Storage for the tests of sources."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import quote
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
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


@pytest.fixture(scope="session")
def gcs_server():
    command = [sys.executable, "-m", "tests.sources.gcs_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


@pytest.fixture(scope="session")
def service_account(tmp_path_factory):
    """A key file as Google hands it out: its owner signs his requests himself."""
    key = rsa.generate_private_key(65537, 2048)
    path = tmp_path_factory.mktemp("google") / "key.json"
    account = {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "reader@project.iam.gserviceaccount.com",
        "token_uri": "http://127.0.0.1:1/",
    }
    path.write_text(json.dumps(account))
    return path


@pytest.fixture
def gcs(gcs_server, service_account, monkeypatch):
    """An empty bucket of Google's; where it is and who may read it comes from Google's own variables."""
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", gcs_server)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account))
    with urlopen(f"{gcs_server}/wipe") as response:
        response.read()
    post(f"{gcs_server}/storage/v1/b?project=project", b'{"name": "lake"}', "application/json")
    return GoogleBucket(gcs_server)


def post(url, data, kind):
    with urlopen(Request(url, data, {"Content-Type": kind}, method="POST")) as response:
        response.read()


class GoogleBucket:
    """Where a lake is put in Google Cloud Storage."""

    location = "gs://lake"

    def __init__(self, address):
        self._upload = f"{address}/upload/storage/v1/b/lake/o?uploadType=media&name="

    def put(self, key, data):
        post(self._upload + quote(key, safe=""), data, "application/octet-stream")


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
