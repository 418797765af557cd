"""Use cases: repositories, and what the record says of pushes.

A push is told twice. Before git moves anything, :func:`announce` writes who is about to move which refs; when
git has moved them, :func:`record_moves` writes what happened. Between the two lies an effect outside the
database, and Andon may be killed there: :func:`catch_up` compares where the refs are with where the record
says they are. Each update carries a state that is moved by a conditional write, so that however many tell of
the same move, one event comes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from andon.flow.sources import storage
from andon.flow.sources.contract import (
    NO_COMMIT,
    BranchDeleted,
    BranchPushed,
    CommitHash,
    PushAbandoned,
    PushAnnounced,
    PushId,
    RepositoryCreated,
    Service,
    TagDeleted,
    TagPushed,
)
from andon.flow.sources.git import Git
from andon.flow.sources.model import (
    BRANCHES,
    TAGS,
    UPDATE_TRANSITIONS,
    Move,
    Push,
    Repository,
    Update,
    UpdateState,
    branch_name,
    is_service_name,
    needs_force,
    service_name,
)
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Forbidden, NotFound
from andon.kernel.events import ANDON, Actor, Event, append
from andon.kernel.ids import new_id

_CHAIN = 100
"""How many announced pushes are joined to explain where a ref has gone."""


def create_repository(
    tx: Transaction, git: Git, principal: Principal, name: str, default_branch: str = "main"
) -> Repository:
    """Make an empty repository. Raises ``Invalid``, ``Forbidden`` or ``Conflict`` when there is one.

    The folder comes first: when the transaction fails, an empty folder is left that the next try takes over.
    """
    service = service_name(name)
    principal.require(Permission.ADMINISTER, service)
    branch_name(default_branch)
    if storage.find_repository(tx, service) is not None:
        raise Conflict(
            f"There is a repository {service!r} already.",
            safe="It was not touched.",
            remedy="Push to it, or choose another name.",
        )
    git.create(service, default_branch)
    repository = Repository(service=service, default_branch=default_branch, created_at=tx.now)
    storage.add_repository(tx, repository)
    append(tx, RepositoryCreated(service=service, default_branch=default_branch), by=principal.actor)
    return repository


def repositories(reading: Reading, principal: Principal) -> tuple[Repository, ...]:
    """Those the principal may read, by name."""
    return tuple(one for one in storage.list_repositories(reading) if principal.may(Permission.READ, one.service))


def all_repositories(reading: Reading) -> tuple[Repository, ...]:
    return storage.list_repositories(reading)


def repository(reading: Reading, service: str) -> Repository:
    """Raises ``NotFound``."""
    found = storage.find_repository(reading, service) if is_service_name(service) else None
    if found is None:
        raise _unknown(service)
    return found


def open_repository(reading: Reading, principal: Principal, service: str, permission: Permission) -> Repository:
    """The repository, for someone who wants to do ``permission`` with it.

    Raises ``NotFound`` also for a repository the principal may not read: that it exists is not told.
    """
    if not is_service_name(service) or not principal.may(Permission.READ, service):
        raise _unknown(service)
    found = repository(reading, service)
    principal.require(permission, service)
    return found


def _unknown(service: str) -> NotFound:
    shown = service if is_service_name(service) else "of that name"
    return NotFound(
        f"There is no repository {shown} here that you may see.",
        remedy="See `andon repository list`; an administrator makes one with `andon repository create NAME`.",
    )


def branches(reading: Reading, service: Service) -> dict[str, CommitHash]:
    """Branches and where they stand according to the record."""
    recorded = storage.recorded_refs(reading, service)
    return {
        ref.removeprefix(BRANCHES): CommitHash(target) for ref, target in recorded.items() if ref.startswith(BRANCHES)
    }


def not_as_recorded(reading: Reading, service: Service, moves: Sequence[Move]) -> tuple[Move, ...]:
    """Moves that do not begin where the record says the ref is: git must be asked about these."""
    recorded = storage.recorded_refs(reading, service, {move.ref for move in moves})
    return tuple(move for move in moves if recorded.get(move.ref, NO_COMMIT) != move.before)


def check_push(principal: Principal, repository: Repository, updates: Sequence[Update]) -> None:
    """Raises ``Forbidden`` unless the principal may move all these refs so."""
    principal.require(Permission.PUSH, repository.service)
    if principal.may(Permission.FORCE_PUSH, repository.service):
        return
    reasons = [
        reason
        for reason in (needs_force(update, repository.default_branch) for update in updates)
        if reason is not None
    ]
    if reasons:
        raise Forbidden(
            "This push " + "; ".join(reasons[:5]) + (" …" if len(reasons) > 5 else "") + ".",
            safe="Nothing was changed.",
            remedy="Push a new commit that undoes the old one (git revert), or ask somebody with the "
            f"permission {Permission.FORCE_PUSH.value!r}.",
        )


def announce(tx: Transaction, push: PushId, service: Service, actor: Actor, updates: Sequence[Update]) -> None:
    """Write down that git is about to move these refs."""
    storage.add_push(tx, Push(id=push, service=service, actor=actor, at=tx.now), updates)
    refs = tuple(update.move.ref for update in updates)
    append(tx, PushAnnounced(push=push, service=service, refs=refs), by=actor)


def record_moves(tx: Transaction, push: PushId, service: Service, moved: Iterable[Move]) -> tuple[BranchPushed, ...]:
    """Write down what git has moved for an announced push; what had been written already is left alone.

    Answers with the branches of this push that have moved, whoever wrote them down.
    """
    storage.lock_repository(tx, service)
    announced = storage.updates_of(tx, push)
    actor = _actor(tx, push)
    pushed: list[BranchPushed] = []
    for move in moved:
        update, state = announced.get(move.ref, (None, None))
        if update is None or update.move != move:
            continue  # never announced: the comparison with the refs themselves will find it
        if state is not UpdateState.MOVED:
            # A push that overtook this one may have been told of first; the record keeps the refs' order.
            recorded = storage.recorded_refs(tx, service, {move.ref}).get(move.ref, NO_COMMIT)
            _explain(tx, service, move.ref, recorded, move.before)
            _write(tx, push, service, update, actor)
        happened = _event(push, service, update)
        if isinstance(happened, BranchPushed):
            pushed.append(happened)
    return tuple(pushed)


def catch_up(tx: Transaction, git: Git, service: Service) -> int:
    """Bring the record to where the refs really are; how many refs it was behind.

    Git is asked within the transaction: an answer from before it could be older than the record.
    """
    storage.lock_repository(tx, service)
    actual = git.refs(service)
    recorded = storage.recorded_refs(tx, service)
    behind = [
        ref
        for ref in sorted({*recorded, *actual})
        if ref.startswith((BRANCHES, TAGS)) and recorded.get(ref, NO_COMMIT) != actual.get(ref, NO_COMMIT)
    ]
    for ref in behind:
        _explain(tx, service, ref, recorded.get(ref, NO_COMMIT), actual.get(ref, NO_COMMIT))
    return len(behind)


def give_up(tx: Transaction, push: PushId, reason: str) -> bool:
    """Write down that what is left of an announced push moved nothing; whether anything was left.

    To be called after :func:`catch_up` in the same transaction.
    """
    given = _states_before(UpdateState.ABANDONED)
    states = storage.updates_of(tx, push)
    left = [ref for ref in states if storage.change_state(tx, push, ref, UpdateState.ABANDONED, given=given)]
    if left and len(left) == len(states):
        found = storage.find_push(tx, push)
        if found is not None:
            append(tx, PushAbandoned(push=push, service=found.service, reason=reason), by=found.actor)
    return bool(left)


def is_behind(reading: Reading, git: Git, service: Service) -> bool:
    """Whether the record seems to differ from the refs: a cheap look before :func:`catch_up`."""
    return storage.recorded_refs(reading, service) != git.refs(service)


def service_of(reading: Reading, push: PushId) -> Service | None:
    """The repository of an announced push."""
    found = storage.find_push(reading, push)
    return None if found is None else found.service


def pushes_under_way(reading: Reading, until: datetime) -> Mapping[PushId, Service]:
    """Announced pushes, begun no later than ``until``, of which the outcome is not known."""
    return storage.announced_pushes(reading, until)


def _explain(tx: Transaction, service: Service, ref: str, recorded: str, actual: str) -> None:
    """Write the events that lead a ref from where the record has it to where it is."""
    for push, update in _path(tx, service, ref, recorded, actual):
        _write(tx, push, service, update, _actor(tx, push))


def _path(tx: Transaction, service: Service, ref: str, recorded: str, actual: str) -> list[tuple[PushId, Update]]:
    found: list[tuple[PushId, Update]] = []
    here = recorded
    while here != actual and len(found) < _CHAIN:
        step = storage.unrecorded_from(tx, service, ref, here, actual) or storage.unrecorded_from(
            tx, service, ref, here
        )
        if step is None or step in found:
            break
        found.append(step)
        here = step[1].move.after
    if here == actual:
        return found
    # Nobody announced it: somebody has moved the ref on the disk.
    push = PushId(new_id("push"))
    move = Move(ref=ref, before=recorded, after=actual)
    update = Update(move=move, commit=CommitHash(actual), forced=not (move.creates or move.deletes))
    storage.add_push(tx, Push(id=push, service=service, actor=ANDON, at=tx.now), [update])
    return [(push, update)]


def _write(tx: Transaction, push: PushId, service: Service, update: Update, actor: Actor) -> None:
    given = _states_before(UpdateState.MOVED)
    if not storage.change_state(tx, push, update.move.ref, UpdateState.MOVED, given=given):
        return
    target = None if update.move.deletes else update.move.after
    storage.set_ref(tx, service, update.move.ref, target)
    append(tx, _event(push, service, update), by=actor)


def _event(push: PushId, service: Service, update: Update) -> Event:
    move = update.move
    if move.ref.startswith(TAGS):
        tag = move.ref.removeprefix(TAGS)
        if move.deletes:
            return TagDeleted(push=push, service=service, tag=tag)
        forced = not move.creates
        return TagPushed(push=push, service=service, tag=tag, commit=update.commit, forced=forced)
    branch = move.ref.removeprefix(BRANCHES)
    before = CommitHash(move.before)
    if move.deletes:
        return BranchDeleted(push=push, service=service, branch=branch, before=before)
    return BranchPushed(
        push=push, service=service, branch=branch, before=before, commit=update.commit, forced=update.forced
    )


def _actor(reading: Reading, push: PushId) -> Actor:
    found = storage.find_push(reading, push)
    return ANDON if found is None else found.actor


def _states_before(state: UpdateState) -> list[UpdateState]:
    return [one for one, following in UPDATE_TRANSITIONS.items() if state in following]
