"""A person decides: wait for an event, remind, escalate, and give up in the end.

$ nexus run human_approval:approve_expense --id expense-1 --input '{"expense": {"who": "Ada", "cents": 45000}}'
$ nexus event expense-1 decision '{"approved": true, "by": "Grace"}'
"""

from dataclasses import dataclass

from nexus_sdk import Context, PayloadError, WaitTimedOut, activity, workflow


@dataclass
class Expense:
    """What somebody wants to have back."""

    who: str
    cents: int
    what: str = "a train to Cambridge"


@dataclass
class Decision:
    """What the event `decision` carries. An event that does not fit is refused where it is waited for."""

    approved: bool
    by: str
    because: str = ""


@activity
def write_to(person: str, text: str) -> None:
    """A mail, a chat message: whatever reaches the person. Its text should hold the link that sends the event."""
    print(f"to {person}: {text}")


@activity
def pay_out(expense: Expense) -> str:
    """Pay it with the next wages."""
    print("paying", expense.cents, "cents to", expense.who)
    return f"{expense.cents} cents with the next wages of {expense.who}"


@workflow
async def approve_expense(ctx: Context, expense: Expense, patience: str = "2d"):
    """Ask the manager, remind the manager, ask the director: each has `patience` to answer. Then it is refused."""
    ladder = [
        ("manager", f"{expense.who} asks for {expense.cents} cents for {expense.what}. Do you approve?"),
        ("manager", f"{expense.who} still waits for your answer."),
        ("director", f"The manager does not answer. {expense.who} asks for {expense.cents} cents. Do you approve?"),
    ]
    decision = Decision(False, "the clock", "nobody has answered")
    for person, text in ladder:
        yield write_to(person, text)
        ctx.set_status({"waits for": person})
        try:
            # Whoever answers: an answer of the manager counts although the director has been asked meanwhile.
            decision = yield ctx.wait_for_event("decision", Decision, timeout=patience)
            break
        except WaitTimedOut:
            continue  # the next rung
        except PayloadError as error:
            # Events come from outside: one that makes no sense must not fail the expense. It counts as no answer.
            ctx.log.warning("an answer was not understood", because=error.message)
    paid = (yield pay_out(expense)) if decision.approved else None
    answer = "approved" if decision.approved else "refused"
    yield write_to(expense.who, f"{expense.what} was {answer} by {decision.by}. {decision.because}".rstrip())
    yield ctx.complete({"approved": decision.approved, "by": decision.by, "paid": paid})
