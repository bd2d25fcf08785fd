"""Patients' data goes through a workflow, and nobody who has only the store can read it.

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
    """Who it is about."""

    name: str
    born: date


# --- the world --------------------------------------------------------------------------------------------------------
# What is printed or logged is not encrypted: so these lines have the number of the case, and no name.


@activity
def examine(patient: Patient) -> list[str]:
    """The laboratory. Its sheets are long and uniform, so they are compressed before they are encrypted."""
    print(activity_info().instance_id, "is examined")
    return [f"{patient.name}: vial {vial:02}, haemoglobin 13.{vial % 10} g/dl, normal" for vial in range(30)]


@activity
def send_bill(patient: Patient, member: Secret[str]) -> str:
    """The insurance. `member`: the number on the patient's card, which only `reveal` shows."""
    case = activity_info().instance_id
    print(case, "is billed to", member)
    if not member.reveal().startswith("A-"):
        # The message of a failure is not encrypted; its details are.
        raise ApplicationError("the insurance has no such member", details={"who": patient.name}, retryable=False)
    return f"bill for {case}"


# --- the process ------------------------------------------------------------------------------------------------------


@workflow
async def report_findings(ctx: Context, patient: Patient, member: Secret[str]):
    """Have a patient examined and the findings signed, then send the bill.

    Ids stay readable, as do attributes and the names of workflows, activities and events: so an id is a case's number.
    """
    findings = yield examine(patient)
    ctx.set_status(f"the findings of {patient.name} wait for a signature")
    physician = yield ctx.wait_for_event("signed", str)  # kill the process here
    bill = yield send_bill(patient, member)
    yield ctx.complete({"patient": patient.name, "values": len(findings), "signed by": physician, "bill": bill})


app = Nexus(
    workflows=[report_findings],
    activities=[examine, send_bill],
    # In this order, because encrypted bytes do not compress. Whatever is stored goes through it; the code above does
    # not know of it, but for the `Secret`, which a codec without encryption would refuse.
    codec=CodecChain(Compression(), Encryption(Keyring.from_environment())),
)
