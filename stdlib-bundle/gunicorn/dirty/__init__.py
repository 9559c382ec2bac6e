"""Dirty workers, which do not exist here."""

from _rgunicorn import absent
from gunicorn.dirty.app import DirtyApp
from gunicorn.dirty.errors import (
    DirtyAppError,
    DirtyAppNotFoundError,
    DirtyConnectionError,
    DirtyError,
    DirtyProtocolError,
    DirtyTimeoutError,
    DirtyWorkerError,
)

_STASH = (
    "STASH_OP_PUT=1 STASH_OP_GET=2 STASH_OP_DELETE=3 STASH_OP_KEYS=4 STASH_OP_CLEAR=5 "
    "STASH_OP_INFO=6 STASH_OP_ENSURE=7 STASH_OP_DELETE_TABLE=8 STASH_OP_TABLES=9 "
    "STASH_OP_EXISTS=10"
)

absent.package(
    __name__,
    "there are no dirty workers; run long work in a process of its own, such as a Celery or RQ "
    "worker",
    f"""
    arbiter: DirtyArbiter MANAGE_OP_ADD=1 MANAGE_OP_REMOVE=2 {_STASH}
    client: DirtyClient DirtyStreamIterator DirtyAsyncStreamIterator set_dirty_socket_path
        get_dirty_socket_path get_dirty_client get_dirty_client_async close_dirty_client
        close_dirty_client_async
    pidfile: write_pidfile process_owned_by_us read_trusted_pid
    protocol: BinaryProtocol DirtyProtocol make_request make_response make_error_response
        make_chunk_message make_end_message make_stash_message make_manage_message MAGIC=b'GD'
        VERSION=1 MSG_TYPE_REQUEST=1 MSG_TYPE_RESPONSE=2 MSG_TYPE_ERROR=3 MSG_TYPE_CHUNK=4
        MSG_TYPE_END=5 MSG_TYPE_STASH=16 MSG_TYPE_STATUS=17 MSG_TYPE_MANAGE=18
        MSG_TYPE_REQUEST_STR='request' MSG_TYPE_RESPONSE_STR='response'
        MSG_TYPE_ERROR_STR='error' MSG_TYPE_CHUNK_STR='chunk' MSG_TYPE_END_STR='end'
        MSG_TYPE_STASH_STR='stash' MSG_TYPE_STATUS_STR='status' MSG_TYPE_MANAGE_STR='manage'
        MANAGE_OP_ADD=1 MANAGE_OP_REMOVE=2 HEADER_FORMAT='>2sBBIQ' HEADER_SIZE=16
        MAX_MESSAGE_SIZE=67108864 {_STASH}
    stash: StashClient StashTable StashError! StashTableNotFoundError! StashKeyNotFoundError!
        set_stash_socket_path get_stash_socket_path put get delete keys clear info ensure exists
        delete_table tables table {_STASH}
    tlv: TLVEncoder TYPE_NONE=0 TYPE_BOOL=1 TYPE_INT64=5 TYPE_FLOAT64=6 TYPE_BYTES=16
        TYPE_STRING=17 TYPE_LIST=32 TYPE_DICT=33 MAX_STRING_SIZE=67108864
        MAX_BYTES_SIZE=67108864 MAX_LIST_SIZE=1048576 MAX_DICT_SIZE=1048576
    worker: DirtyWorker
    """,
)

from gunicorn.dirty.arbiter import DirtyArbiter
from gunicorn.dirty.client import (
    DirtyClient,
    close_dirty_client,
    close_dirty_client_async,
    get_dirty_client,
    get_dirty_client_async,
    set_dirty_socket_path,
)
from gunicorn.dirty.stash import (
    StashClient,
    StashError,
    StashKeyNotFoundError,
    StashTable,
    StashTableNotFoundError,
)
