"""Patients' data goes through a workflow, and nobody who has the store can read it.

$ pip install "nexus-sdk[cli,encryption]"
$ export NEXUS_KEYS=2026=$(python -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())")
$ nexus run encrypted_payloads:report_findings --id case-1 --input @ada.json
"""

from dataclasses import dataclass
from datetime import date

from nexus_sdk import ApplicationError, Context, Nexus, Secret, activity, activity_info, workflow
from nexus_sdk.codec import CodecChain, Compression, Encryption, Keyring


@dataclass
class Patient:
    """Who it is about. All of it is encrypted, because all values are."""

    name: str
    born: date


@dataclass
class Report:
    """What the workflow comes to."""

    patient: Patient
    findings: str
    signed_by: str
    bill: str


# --- the world --------------------------------------------------------------------------------------------------------
# Logs and terminals are not encrypted: so what is printed here are numbers of cases, and no names.


@activity
def examine(patient: Patient) -> str:
    """The laboratory. Its sheets are long and uniform, so they are compressed before they are encrypted."""
    print(activity_info().instance_id, "is examined")
    rows = [f"vial {number:02}  haemoglobin 13.{number % 10} g/dl  normal" for number in range(30)]
    return "\n".join([f"{patient.name}, born {patient.born}", *rows])


@activity
def send_bill(patient: Patient, member: Secret[str]) -> str:
    """The insurance. `member` is the number of the patient's card: it shows itself only to who asks it to."""
    case = activity_info().instance_id
    print(case, "is billed to", member)
    if not member.reveal().startswith("A-"):
        # The message of a failure is not encrypted, its details are.
        raise ApplicationError("the insurance has no such member", details={"who": patient.name}, retryable=False)
    return f"bill for {case}"


# --- the process ------------------------------------------------------------------------------------------------------


@workflow
async def report_findings(ctx: Context, patient: Patient, member: Secret[str]):
    """Examine, have it signed, send the bill.

    Ids, names of workflows and activities, and times stay readable: so the id is the number of a case.
    """
    findings = yield examine(patient)
    ctx.set_status(f"the findings of {patient.name} wait for a signature")
    physician = yield ctx.wait_for_event("signed", str)  # kill the process here
    bill = yield send_bill(patient, member)
    yield ctx.complete(Report(patient, findings, physician, bill))


app = Nexus(
    workflows=[report_findings],
    activities=[examine, send_bill],
    codec=CodecChain(Compression(), Encryption(Keyring.from_environment())),
)
