"""What keeps a run of Schemathesis short, and the daemon as it was for the next case."""

import contextlib
import os
import re
from hashlib import sha256

import schemathesis

from tests.live.contract import Household

KEY = os.environ["CONTRACT_KEY"]
OWN_ID = sha256(KEY.encode()).hexdigest()[:16]
HOUSEHOLD = Household(int(os.environ["CONTRACT_DEVICE"]), int(os.environ["CONTRACT_CONTROL"]), KEY)
LONGEST_WAIT = 30


@schemathesis.hook
def before_load_schema(_context, schema):
    # This daemon trusts no network, so nothing works without a key but what needs none.
    for path in schema["paths"].values():
        for operation in path.values():
            if {} in operation.get("security", ()):
                operation["security"].remove({})


@schemathesis.hook
def before_call(_context, case, _kwargs):
    if case.operation.path == "/command":
        # Nobody acknowledges here: whoever would wait for seconds waits for milliseconds.
        with contextlib.suppress(KeyError, TypeError, ValueError):
            if 0 <= (wait := float(case.query["wait"])) <= LONGEST_WAIT:
                case.query["wait"] = wait / 1000
    elif case.operation.path == "/api/import" and isinstance(case.body, dict):
        # There is somebody here already, always.
        case.body["merge"] = case.body.get("merge", False) is False or case.body["merge"]
    elif case.method.upper() == "DELETE" and _names_an_invite(case):
        # The ids of invites are random: none that is made up would be found.
        case.path_parameters["identifier"] = HOUSEHOLD.invite()
    if case.path_parameters.get("identifier") == OWN_ID:
        # Without its key the rest of the run would say nothing.
        case.path_parameters["identifier"] = "0" * 16


@schemathesis.hook
def after_call(_context, case, response):
    if response.status_code != 200:
        return
    if case.method.upper() == "DELETE" or case.operation.path == "/api/transfer":
        HOUSEHOLD.settle()
    elif case.operation.path.endswith("/lock") or _sets_limits(case):
        HOUSEHOLD.unlock()


def _sets_limits(case):
    return case.operation.path == "/command" and case.body["command"] in ("set_lock", "set_device_setting")


def _names_an_invite(case):
    identifier = str(case.path_parameters.get("identifier"))
    return case.operation.path.startswith("/api/invites/") and re.fullmatch("[0-9a-f]{16}", identifier)
