"""What operators, the captain, staff and banks do."""

from __future__ import annotations

from operators.actions import driving, runs
from operators.models import Run
from operators.states import RunState
from payments.actions import earnings, operations, payments
from payments.models import Operation, Refund, Transfer
from payments.sandbox.errors import ApiError
from payments.states import OperationState, RefundState, TransferState
from rally.models import User
from rally.proof.ground import Crew
from rally.proof.moves import move
from rally.proof.world import World
from trips.actions import failures, trips
from trips.states import LEGS

# ---- operators


def live_run(world: World) -> Run | None:
    """The run that is bound to the trip."""
    return Run.objects.live().filter(trip_id=world.cast.trip).first()


def crew_of(world: World, run: Run) -> Crew:
    """Whose run it is."""
    return next(each for each in world.cast.crews if each.operator == run.operator_id)


@move(2)
def commit_bus(world: World) -> None:
    """A company takes the trip."""
    crew = world.chance.choice(world.cast.crews)
    world.say("a company commits its van")
    world.again = lambda w: commit(w, crew)
    commit(world, crew)


def commit(world: World, crew: Crew) -> None:
    """This company takes the trip."""
    world.attempt(
        lambda: runs.commit(
            trip_id=world.cast.trip,
            operator_id=crew.operator,
            vehicle_id=crew.vehicle,
            driver_id=crew.driver,
            now=world.now,
            by=crew.owner,
        )
    )


@move(0.7)
def withdraw_bus(world: World) -> None:
    """It gives the trip back."""
    run = live_run(world)
    if run is not None:
        world.say("the company withdraws")
        world.attempt(lambda: runs.withdraw(run_id=run.id, now=world.now, by=crew_of(world, run).owner))


@move(1)
def drive(world: World) -> None:
    """The next step of the day."""
    run = live_run(world)
    if run is None:
        return
    steps = {
        RunState.OUTBOUND: driving.arrive,
        RunState.AT_EVENT: driving.head_back,
        RunState.RETURNING: driving.complete,
    }
    step = steps.get(RunState(run.state), driving.start)
    world.say(f"the driver: {step.__name__}")
    world.attempt(lambda: step(run_id=run.id, now=world.now, by=crew_of(world, run).owner))


# ---- captain and staff


@move(0.3)
def cancel(world: World) -> None:
    """The trip is called off."""
    by = world.chance.choice([world.cast.captain, world.cast.staff[0]])
    world.say(f"{by.name} calls the trip off")
    world.again = lambda w: _cancel(w, by)
    _cancel(world, by)


def _cancel(world: World, by: User) -> None:
    world.attempt(lambda: trips.cancel(trip_id=world.cast.trip, now=world.now, by=by))


@move(0, certain=0.4)
def leg_failed(world: World) -> None:
    """One way was not driven."""
    leg, percent = world.chance.choice(LEGS), world.chance.choice([None, None, 80])
    world.say(f"{leg} is not driven, {percent or 'the usual'} %")
    world.again = lambda w: _leg_failed(w, leg, percent)
    _leg_failed(world, leg, percent)


def _leg_failed(world: World, leg: str, percent: int | None) -> None:
    world.attempt(
        lambda: failures.refund_leg(
            trip_id=world.cast.trip, leg=leg, percent=percent, now=world.now, by=world.cast.staff[0]
        )
    )


@move(0.5)
def refund_by_hand(world: World) -> None:
    """Somebody refunds in the provider's dashboard, past us."""
    taken = [each for each in world.truth.intents() if each.kept > 0]
    if not taken:
        return
    amount = world.chance.choice([None, 100])
    world.say(f"somebody refunds {amount or 'all'} in the dashboard")
    try:
        world.sandbox.refund_in_dashboard(world.chance.choice(taken).charge, amount)
    except ApiError as no:
        world.say(f"      the provider refuses: {no}")


@move(0.4)
def dispute(world: World) -> None:
    """A cardholder goes to the bank."""
    taken = [each for each in world.truth.intents() if each.kept > 0 and not each.disputed]
    if not taken:
        return
    world.say("a cardholder disputes")
    try:
        world.sandbox.open_dispute(world.chance.choice(taken).charge)
    except ApiError as no:
        world.say(f"      the provider refuses: {no}")


@move(0.5)
def staff_try_again(world: World) -> None:
    """Staff press "run again" and "send again" where the desk shows something."""
    staff = world.cast.staff[0]
    for operation in Operation.objects.filter(state=OperationState.STUCK).order_by("created_at", "id"):
        world.say(f"staff: run {operation.kind} again")
        world.attempt(lambda it=operation: operations.run_again(it.id, now=world.now, by=staff))  # type: ignore[misc]
    refund = Refund.objects.filter(state=RefundState.FAILED).order_by("created_at", "id").first()
    if refund is not None:
        world.say("staff: send the refund again")
        world.attempt(lambda: payments.refund_again(refund_id=refund.id, now=world.now, by=staff))
    transfer = Transfer.objects.filter(state=TransferState.FAILED).order_by("created_at", "id").first()
    if transfer is not None:
        world.say("staff: send the transfer again")
        world.attempt(lambda: earnings.send_again(transfer_id=transfer.id, now=world.now, by=staff))
