------------------------------ MODULE Instance ------------------------------
(***************************************************************************)
(* One instance, its store item, and the workers that bring it forward:    *)
(* what both profiles of stores have in common.  `Transactional` and       *)
(* `Split` say how a worker hears of work and how sends reach others.      *)
(*                                                                         *)
(* Workflows are modelled by what they may ask for: a turn consumes what   *)
(* it has seen, and asks for any of the activities, timers and sends that  *)
(* were not asked for yet; or ends, continues as new, is held.  Time is    *)
(* modelled by what it does: a timer comes due, a lease runs out.          *)
(*                                                                         *)
(* `Bug` is "none", or the name of a mutant: a way of getting one action   *)
(* wrong that the checks must notice.                                      *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Workers,       \* who takes turns and runs activities
    Events,        \* events that clients send
    Requests,      \* of {"suspend", "resume", "terminate"}: those that clients send
    Activities,    \* numbers of activities that the workflow may ask for
    Timers,        \* timers that it may ask for
    Peers,         \* other instances that it may send one message to
    RunsMax,       \* so many runs are there at most
    AttemptsMax,   \* an activity is tried so often by its own fault
    Ends,          \* of {"go", "end", "continue", "suspend", "block", "hold"}: how turns may end
    GivesUp,       \* whether the workflow cancels activities, and time limits of theirs pass
    FaultKinds,    \* of {"crash", "stall", "bell", "reply", "drain", "block", "queue"}: what goes wrong
    FaultsMax,     \* and how often
    Bug

VARIABLES
    (* the item: what is stored under the instance's id *)
    run,        \* the number of the present run
    log,        \* the batches of all runs: [run, number, by]; `by` is whose turn id it bears, as far as he may ask for it
    status,     \* "running", "suspended", "blocked", "ended"
    wake,       \* the record's wake_at: "never", "later" (its next timer), "now" (a run that has not begun)
    inbox,      \* messages accepted and not consumed, in order
    heard,      \* those of them that a held instance does not want a turn for
    task,       \* of each activity: whether it is open, in which run and attempt, who holds it
    timer,      \* of each timer: "none", "set", "fired", "dropped"
    turn,       \* who holds the instance's turn: [holder, expired]
    (* what the history says, and what the laws are about *)
    accepted,   \* messages that clients were told are accepted, in order
    consumed,   \* messages that batches have recorded, in order
    unread,     \* events recorded and not yet read by the code, in order
    reads,      \* so many were read
    outcomes,   \* of each activity: so many outcomes were recorded
    taken,      \* of each activity: so often its delivery was settled with an outcome
    sent,       \* the sends to others that were committed
    got,        \* of each peer: so often it accepted the message
    due,        \* the timers whose time has come
    (* workers *)
    hand,       \* of each worker: the execution that it holds, and the mail that it has seen
    doing,      \* of each worker: the deliveries of activities that it has: [of, attempt]
    faults      \* so many faults are still to come

MayGoWrong(kind) == kind \in FaultKinds /\ faults > 0

itemVars  == <<run, log, status, wake, inbox, heard, task, timer, turn>>
ghostVars == <<accepted, consumed, unread, reads, outcomes, taken, sent, got>>
localVars == <<hand, doing>>
instanceVars == <<itemVars, ghostVars, due, localVars, faults>>

Nobody == "nobody"
Message(kind, id) == <<kind, id>>
Start == Message("event", "start")
Messages == {Start} \cup {Message("event", e) : e \in Events} \cup {Message(r, 0) : r \in Requests}
Outcome(a) == Message("outcome", a)
IsEvent(m) == m[1] = "event"

Range(s) == {s[i] : i \in 1..Len(s)}
Without(s, set) == LET Keep(x) == x \notin set IN SelectSeq(s, Keep)
Only(s, set) == LET Keep(x) == x \in set IN SelectSeq(s, Keep)
Drop(s, n) == SubSeq(s, n + 1, Len(s))
RECURSIVE Sorted(_)
Sorted(set) == IF set = {} THEN <<>>
               ELSE LET least == CHOOSE x \in set : \A y \in set : x <= y
                    IN <<least>> \o Sorted(set \ {least})

Free == [holder |-> Nobody, expired |-> FALSE]
NoTask == [is |-> "none", run |-> 0, attempt |-> 0, holder |-> Nobody, expired |-> FALSE, cancelled |-> FALSE]
EmptyHand == [phase |-> "idle", at |-> 0, seenAt |-> 0, seen |-> <<>>, leased |-> FALSE]

InstanceInit ==
    /\ run = 1
    /\ log = <<[run |-> 1, number |-> 1, by |-> Nobody]>>
    /\ status = "running"
    /\ wake = "never"
    /\ inbox = <<Start>>
    /\ heard = {}
    /\ task = [a \in Activities |-> NoTask]
    /\ timer = [t \in Timers |-> "none"]
    /\ turn = Free
    /\ accepted = <<Start>>
    /\ consumed = <<>>
    /\ unread = <<>>
    /\ reads = 0
    /\ outcomes = [a \in Activities |-> 0]
    /\ taken = [a \in Activities |-> 0]
    /\ sent = {}
    /\ got = [p \in Peers |-> 0]
    /\ due = {}
    /\ hand = [w \in Workers |-> EmptyHand]
    /\ doing = [w \in Workers |-> {}]
    /\ faults = FaultsMax

-----------------------------------------------------------------------------
(* What the store can tell from the item *)

DueTimers == {t \in Timers : timer[t] = "set" /\ t \in due}

IsReady ==
    /\ status # "ended" \/ Bug = "turnAfterEnd"
    /\ \/ \E m \in Range(inbox) : m \notin heard
       \/ wake = "now"
       \/ wake = "later" /\ DueTimers # {}

IsFree(lease) == lease.holder = Nobody \/ lease.expired

(* Whether a delivery of an activity is still its holder's: another attempt is another's. *)
IsMine(w, d) == task[d.of].is = "open" /\ task[d.of].holder = w /\ task[d.of].attempt = d.attempt

(* An outcome is taken from him who holds the activity; from an earlier holder only while nobody else does. *)
IsNotLost(w, d) == task[d.of].is = "open" /\ (task[d.of].holder = Nobody \/ IsMine(w, d))

Gone(t) == [NoTask EXCEPT !.is = "gone", !.run = t.run, !.cancelled = t.cancelled]

(* What the code still waits for: asked for in this run, neither given up nor with an outcome. *)
Pending == {a \in Activities : /\ task[a].is # "none" /\ task[a].run = run /\ ~task[a].cancelled
                               /\ outcomes[a] = 0}

OpenHere == {a \in Activities : task[a].is = "open" /\ task[a].run = run /\ ~task[a].cancelled}

-----------------------------------------------------------------------------
(* Clients and time *)

Accept(m) ==
    /\ status # "ended" \/ Bug = "acceptAfterEnd"
    /\ m \notin Range(accepted) \/ (Bug = "noDedup" /\ Len(inbox) < 4)
    /\ inbox' = Append(inbox, m)
    /\ accepted' = IF m \in Range(accepted) THEN accepted ELSE Append(accepted, m)
    /\ UNCHANGED <<run, log, status, wake, heard, task, timer, turn, consumed, unread, reads, outcomes,
                   taken, sent, got, due, localVars, faults>>

ComeDue(t) ==
    /\ timer[t] = "set" /\ t \notin due
    /\ due' = due \cup {t}
    /\ UNCHANGED <<itemVars, ghostVars, localVars, faults>>

-----------------------------------------------------------------------------
(* Leases *)

(* Of who has forgotten the delivery a lease runs out by itself; of who still works on it, by a fault. *)
TurnLeaseEnds ==
    /\ turn.holder # Nobody /\ ~turn.expired /\ Bug # "noExpiry"
    /\ LET isForgotten == ~hand[turn.holder].leased IN
       /\ isForgotten \/ MayGoWrong("stall")
       /\ faults' = IF isForgotten THEN faults ELSE faults - 1
    /\ turn' = [turn EXCEPT !.expired = TRUE]
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, task, timer, ghostVars, due, localVars>>

TaskLeaseEnds(a) ==
    /\ task[a].is = "open" /\ task[a].holder # Nobody /\ ~task[a].expired /\ Bug # "noExpiry"
    /\ LET isForgotten == [of |-> a, attempt |-> task[a].attempt] \notin doing[task[a].holder] IN
       /\ isForgotten \/ MayGoWrong("stall")
       /\ faults' = IF isForgotten THEN faults ELSE faults - 1
    /\ task' = [task EXCEPT ![a].expired = TRUE]
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, timer, turn, ghostVars, due, localVars>>

-----------------------------------------------------------------------------
(* Receive and load *)

LeaseTurn(w) ==
    /\ IsReady /\ IsFree(turn)
    /\ hand[w].phase = "idle"
    /\ turn' = [holder |-> w, expired |-> FALSE]
    /\ hand' = [hand EXCEPT ![w].leased = TRUE, ![w].seen = inbox, ![w].seenAt = Len(log)]
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, task, timer, ghostVars, due, doing, faults>>

(* A delivery after a lost lease makes the next attempt; beyond the last one it is only reported. *)
LeaseTask(w, a) ==
    /\ task[a].is = "open" /\ IsFree(task[a])
    /\ LET next == IF task[a].holder = Nobody \/ task[a].attempt > AttemptsMax
                   THEN task[a].attempt ELSE task[a].attempt + 1 IN
       /\ task' = [task EXCEPT ![a].holder = w, ![a].expired = FALSE, ![a].attempt = next]
       /\ doing' = [doing EXCEPT ![w] = @ \cup {[of |-> a, attempt |-> next]}]
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, timer, turn, ghostVars, due, hand, faults>>

HasSomething(w) == hand[w].leased \/ doing[w] # {}

(* The execution and the inbox, as of one moment. *)
Load(w) ==
    /\ hand[w].phase = "idle"
    /\ <<hand[w].at, hand[w].seenAt, hand[w].seen>> # <<Len(log), Len(log), inbox>>
    /\ hand' = [hand EXCEPT ![w].at = Len(log), ![w].seenAt = Len(log), ![w].seen = inbox]
    /\ UNCHANGED <<itemVars, ghostVars, due, doing, faults>>

(* A warm execution, which is up to date; the mail is what was delivered before. *)
Warm(w) ==
    /\ hand[w].phase = "idle" /\ hand[w].at # Len(log)
    /\ hand' = [hand EXCEPT ![w].at = Len(log)]
    /\ UNCHANGED <<itemVars, ghostVars, due, doing, faults>>

-----------------------------------------------------------------------------
(* The turn.  What it comes to is a record `c`:                            *)
(*   mail     whether it takes the messages that were seen                 *)
(*   settles  whether it settles the delivery of the turn                  *)
(*   done     deliveries of activities whose outcomes it brings            *)
(*   then     "go" on, "end", "continue" as new, "suspend", "block", or    *)
(*            "hold": leave everything where it is                         *)
(*   used     the messages that it consumes                                *)
(*   records  the activities whose outcome it records                      *)
(*   schedules, cancels, lapses   activities asked for, given up, and      *)
(*            given up because their time is over                          *)
(*   sets, fires, drops           timers asked for, fired, given up        *)
(*   sends    to peers                                                     *)
(*   reads    how many events the code reads                               *)
(*   writes   whether it appends a batch: not when nothing came of it      *)

Seen(w, c) == IF c.mail THEN hand[w].seen ELSE <<>>

LatestRequest(seen) ==
    LET holds == {i \in 1..Len(seen) : seen[i][1] \in {"suspend", "resume"}}
    IN IF holds = {} THEN "none" ELSE seen[CHOOSE i \in holds : \A j \in holds : j <= i][1]

HasTermination(seen) == \E m \in Range(seen) : m[1] = "terminate"
IsResumed(seen) == LatestRequest(seen) = "resume"

Brought(c, used) == {d.of : d \in c.done} \cup {a \in Activities : Outcome(a) \in used}

(* Outcomes that mean something: of this run, and the first. *)
Meant(as) == {a \in as : /\ task[a].run = run \/ Bug = "oldRunOutcome"
                         /\ outcomes[a] = 0 \/ Bug = "outcomeTwice"}

AsksForNothing(c) ==
    /\ c.schedules = {} /\ c.cancels = {} /\ c.lapses = {} /\ c.records = {}
    /\ c.sets = {} /\ c.fires = {} /\ c.drops = {} /\ c.sends = {} /\ c.reads = 0

HasReason(w, c) ==
    \/ c.mail /\ (c.settles \/ Len(hand[w].seen) > 0 \/ c.fires # {})
    \/ c.done # {}
    \/ c.then = "block"

(* What the code may ask for, given what happened before. *)
IsAskable(w, c) ==
    /\ c.schedules \subseteq {a \in Activities : task[a].is = "none"}
    /\ (c.cancels \cup c.lapses) \subseteq Pending \ c.records
    /\ c.cancels \cap c.lapses = {}
    /\ c.sets \subseteq {t \in Timers : timer[t] = "none"}
    /\ c.fires \subseteq (IF Bug = "earlyTimer" THEN {t \in Timers : timer[t] = "set"} ELSE DueTimers)
    /\ c.drops \subseteq {t \in Timers : timer[t] = "set"} \ c.fires
    /\ c.sends \subseteq Peers \ sent
    /\ c.records \subseteq Meant(Brought(c, c.used))
    /\ c.reads <= Len(unread) + Cardinality({m \in c.used : IsEvent(m)})

(* What each way to end a turn demands, given the instance's status and the messages seen. *)
IsAllowed(w, c) ==
    LET seen == Seen(w, c)
        all == Range(seen)
        goesOn == \/ status = "running" \/ (status = "ended" /\ Bug = "turnAfterEnd")
                  \/ IsResumed(seen) \/ (status = "blocked" /\ LatestRequest(seen) = "none")
    IN
    /\ c.used \subseteq all
    /\ c.then = "hold" => ~c.writes
    /\ ~c.writes => c.then = "hold" \/ (c.then = "go" /\ status = "running")
    /\ ~c.writes => AsksForNothing(c) /\ wake # "now"
    \* Except where nothing can be done at all: then it is blocked, and everything stays where it is.
    /\ HasTermination(seen) /\ c.then \notin {"block", "hold"} => c.then = "end" /\ c.used = all /\ AsksForNothing(c)
    /\ CASE c.then = "go" ->
                /\ goesOn /\ LatestRequest(seen) # "suspend"
                /\ {a \in Meant(Brought(c, c.used)) \ c.cancels : ~task[a].cancelled} \subseteq c.records
         [] c.then = "end" -> goesOn \/ HasTermination(seen)
         [] c.then = "continue" -> goesOn /\ run < RunsMax
         [] c.then = "suspend" ->
                /\ LatestRequest(seen) = "suspend" /\ status \in {"running", "blocked"}
                /\ \E m \in c.used : m[1] = "suspend"
                /\ status = "blocked" => c.done = {} /\ AsksForNothing(c)
         [] c.then = "block" ->
                /\ status = "running" \/ IsResumed(seen)
                /\ c.done = {} /\ AsksForNothing(c)
                /\ \A m \in c.used : m[1] \in {"suspend", "resume"}
         [] c.then = "hold" ->
                /\ status = "blocked" \/ (status = "suspended" /\ ~IsResumed(seen))
                /\ c.mail /\ c.used = {} /\ c.done = {} /\ AsksForNothing(c)

(* The conditions of the write itself: the fence, and leases that nobody else has taken. *)
IsCommittable(w, c) ==
    /\ status # "ended" \/ Bug = "turnAfterEnd"
    /\ hand[w].phase = "idle" /\ hand[w].at > 0
    /\ hand[w].at = Len(log) \/ Bug = "noFence"
    /\ c.done \subseteq doing[w]
    /\ \A d \in c.done : IsNotLost(w, d) \/ Bug = "anyHolder"
    /\ c.mail => /\ hand[w].seenAt > 0
                 /\ hand[w].seenAt = hand[w].at \/ Bug = "staleMail"
    /\ c.settles => c.mail /\ hand[w].leased /\ turn.holder \in {w, Nobody}

NewBatches(w, c, isAnswered) ==
    LET next == hand[w].at + 1
        by == IF isAnswered THEN Nobody ELSE w
        batch == [run |-> run, number |-> next, by |-> by]
    IN CASE ~c.writes -> <<>>
         [] c.then = "continue" -> <<batch, [run |-> run + 1, number |-> next + 1, by |-> by]>>
         [] OTHER -> <<batch>>

(* Activities that the turn gives up: those it names, and at the end of a run all that are left. *)
GivenUp(c) ==
    LET done == {d.of : d \in c.done} IN
    (c.cancels \cup c.lapses \cup
        (IF c.then \in {"end", "continue"} /\ Bug # "endLeavesTasks" THEN OpenHere ELSE {})) \ done

TaskAfter(c, a) ==
    LET now == task[a] IN
    CASE a \in c.schedules -> [NoTask EXCEPT !.is = "open", !.run = run, !.attempt = 1]
      [] \E d \in c.done : d.of = a -> [Gone(now) EXCEPT !.cancelled = @ \/ a \in c.cancels]
      [] a \in GivenUp(c) /\ now.holder = Nobody -> [Gone(now) EXCEPT !.cancelled = TRUE]
      [] a \in GivenUp(c) /\ now.holder # Nobody -> [now EXCEPT !.cancelled = TRUE]
      [] OTHER -> now

InboxAfter(w, c, removed) ==
    LET left == CASE Bug = "keepConsumed" -> inbox
                  [] Bug = "loseInbox" /\ c.mail -> <<>>
                  [] Bug = "heldForgets" /\ c.then = "hold" -> Without(inbox, Range(Seen(w, c)))
                  [] OTHER -> Without(inbox, c.used)
        told == IF c.then = "end" THEN <<>> ELSE [i \in 1..Len(removed) |-> Outcome(removed[i])]
        fresh == Without(told, Range(left))
    IN left \o fresh

TimerAfter(c, t) ==
    CASE t \in c.sets -> "set"
      [] t \in c.fires -> "fired"
      [] timer[t] = "set" /\ (t \in c.drops \/ c.then \in {"end", "continue"}) -> "dropped"
      [] OTHER -> timer[t]

StatusAfter(c) ==
    CASE c.then = "end" -> "ended"
      [] c.then = "suspend" -> "suspended"
      [] c.then = "block" -> "blocked"
      [] c.then = "hold" -> status
      [] OTHER -> "running"

WakeAfter(c) ==
    CASE c.then = "continue" -> "now"
      [] c.then = "go" /\ Bug # "timerSleeps" ->
            IF \E t \in Timers : TimerAfter(c, t) = "set" THEN "later" ELSE "never"
      [] OTHER -> "never"

(* The write of a turn: all of it at once.  `isAnswered`: whether the worker hears that it was made. *)
WriteTurn(w, c, isAnswered) ==
    LET batches == NewBatches(w, c, isAnswered)
        used == Only(Seen(w, c), c.used)
        pool == unread \o SelectSeq(used, IsEvent)
        removed == Sorted({a \in GivenUp(c) : task[a].is = "open" /\ task[a].holder = Nobody})
        isOver == c.then \in {"end", "suspend", "block", "hold"}
        carried == Drop(pool, c.reads)
    IN
    /\ log' = log \o batches
    /\ run' = IF c.then = "continue" THEN run + 1 ELSE run
    /\ status' = StatusAfter(c)
    /\ wake' = WakeAfter(c)
    /\ inbox' = InboxAfter(w, c, removed)
    /\ heard' = IF c.then \in {"hold", "block"} THEN Range(Seen(w, c)) \cap Range(inbox') ELSE {}
    /\ task' = [a \in Activities |-> TaskAfter(c, a)]
    /\ timer' = [t \in Timers |-> TimerAfter(c, t)]
    /\ turn' = IF c.then = "end" \/ c.settles THEN Free ELSE turn
    /\ consumed' = consumed \o used
    /\ unread' = IF c.then = "continue" /\ Bug = "dropUnread" THEN <<>> ELSE carried
    /\ reads' = reads + c.reads
    /\ outcomes' = [a \in Activities |-> outcomes[a] + (IF a \in c.records \cup c.lapses THEN 1 ELSE 0)]
    /\ taken' = [a \in Activities |-> taken[a] + Cardinality({d \in c.done : d.of = a})]
    /\ sent' = sent \cup c.sends
    /\ doing' = [doing EXCEPT ![w] = @ \ c.done]
    /\ hand' = [hand EXCEPT ![w] =
            LET kept == IF c.settles \/ ~hand[w].leased THEN EmptyHand
                        ELSE IF c.mail THEN [EmptyHand EXCEPT !.leased = TRUE] ELSE hand[w] IN
            IF isAnswered THEN [kept EXCEPT !.at = IF isOver \/ (~kept.leased /\ doing'[w] = {}) THEN 0 ELSE Len(log')]
            ELSE [kept EXCEPT !.at = hand[w].at, !.phase = "unsure"]]

(* What is left to be said: `got`, which differs between the profiles, `due` and `faults`. *)
Commit(w, c) ==
    /\ IsCommittable(w, c) /\ IsAllowed(w, c) /\ IsAskable(w, c)
    /\ c.then = "block" => MayGoWrong("block")
    /\ \/ /\ WriteTurn(w, c, TRUE)
          /\ faults' = IF c.then = "block" THEN faults - 1 ELSE faults
       \/ /\ c.then = "go" /\ c.writes /\ MayGoWrong("reply")
          /\ WriteTurn(w, c, FALSE)
          /\ faults' = faults - 1
    /\ UNCHANGED <<accepted, due>>

(* The same commit again: the store knows it by its turn id, here by who has made the next batch. *)
Repeat(w) ==
    /\ hand[w].phase = "unsure"
    /\ LET next == hand[w].at + 1
           isKnown == next <= Len(log) /\ log[next].by = w /\ Bug # "repeatedCommit"
       IN log' = IF isKnown THEN log ELSE Append(log, [run |-> run, number |-> next, by |-> w])
    /\ hand' = [hand EXCEPT ![w].phase = "idle", ![w].at = 0]
    /\ UNCHANGED <<run, status, wake, inbox, heard, task, timer, turn, ghostVars, due, doing, faults>>

(* The turns that are tried: what `Commit` allows, with fewer combinations of what does not depend on each other. *)
UsedBy(w, mail, then) ==
    LET seen == IF mail THEN hand[w].seen ELSE <<>>
        holds == {m \in Range(seen) : m[1] \in {"suspend", "resume"}}
    IN CASE then = "hold" -> {{}}
         [] then = "block" -> {IF IsResumed(seen) THEN holds ELSE {}}
         [] then = "suspend" /\ status = "blocked" -> {holds}
         [] then \in {"end", "continue"} /\ ~HasTermination(seen) -> {Range(seen), {}}
         [] OTHER -> {Range(seen)}

EndsOf(seen) ==
    Ends \cap
    CASE HasTermination(seen) -> {"end"}
      [] status = "running" /\ LatestRequest(seen) = "suspend" -> {"end", "continue", "suspend"}
      [] status = "blocked" /\ LatestRequest(seen) = "suspend" -> {"suspend"}
      [] status = "blocked" /\ LatestRequest(seen) = "none" -> {"hold", "go", "end", "continue"}
      [] status = "suspended" /\ ~IsResumed(seen) -> {"hold"}
      [] OTHER -> {"go", "end", "continue", "block"}

SomeOf(condition, set) == IF condition THEN SUBSET set ELSE {{}}

Turn(w, TheTurn(_)) ==
    /\ hand[w].phase = "idle" /\ hand[w].at > 0
    /\ hand[w].at = Len(log) \/ Bug = "noFence"
    /\ \E mail \in (IF hand[w].seenAt = hand[w].at \/ (Bug = "staleMail" /\ hand[w].seenAt > 0)
                    THEN BOOLEAN ELSE {FALSE}),
          done \in SUBSET {d \in doing[w] : IsNotLost(w, d) \/ Bug = "anyHolder"} :
       LET seen == IF mail THEN hand[w].seen ELSE <<>> IN
       \E then \in EndsOf(seen) :
       \E used \in UsedBy(w, mail, then),
          schedules \in SomeOf(then = "go", {a \in Activities : task[a].is = "none"}),
          sets \in SomeOf(then = "go", {t \in Timers : timer[t] = "none"}),
          sends \in SomeOf(then \in {"go", "end"} /\ ~HasTermination(seen), Peers \ sent) :
          LET isRun == then \in {"go", "end", "continue"} \/ (then = "suspend" /\ status = "running")
              isAsked == isRun /\ ~HasTermination(seen)
              brought == {d.of : d \in done} \cup {a \in Activities : Outcome(a) \in used}
              fires == IF then # "go" THEN {}
                       ELSE IF Bug = "earlyTimer" THEN {t \in Timers : timer[t] = "set"} ELSE DueTimers
              set == {t \in Timers : timer[t] = "set"}
              open == {a \in OpenHere \ brought : outcomes[a] = 0}
              events == Len(unread) + Cardinality({m \in used : IsEvent(m)})
          IN
          \E givesUp \in (IF GivesUp /\ then = "go" /\ open # {} THEN {"nothing", "cancels", "lapses"} ELSE {"nothing"}),
             readsNow \in (IF ~isAsked THEN {0} ELSE IF RunsMax > 1 THEN {0, events} ELSE {events}) :
             LET c == [mail |-> mail, settles |-> mail /\ hand[w].leased, done |-> done, then |-> then, used |-> used,
                      records |-> IF isAsked THEN Meant(brought) ELSE {},
                      schedules |-> schedules,
                      cancels |-> IF givesUp = "cancels" THEN open ELSE {},
                      lapses |-> IF givesUp = "lapses" THEN open ELSE {},
                      sets |-> sets, fires |-> fires,
                      drops |-> IF givesUp = "cancels" THEN set \ fires ELSE {},
                      sends |-> sends, reads |-> readsNow,
                      writes |-> /\ then # "hold"
                                 /\ \/ then # "go" \/ status # "running" \/ wake = "now" \/ readsNow > 0
                                    \/ used \cap Messages # {} \/ Meant(brought) # {} \/ givesUp # "nothing"
                                    \/ schedules # {} \/ sets # {} \/ sends # {} \/ fires # {}]
             IN HasReason(w, c) /\ TheTurn(c)

-----------------------------------------------------------------------------
(* What else a worker does with what it has *)

(* The outcome of an activity goes through the inbox, to be taken by whoever moves the instance. *)
Report(w, d) ==
    /\ d \in doing[w] /\ IsNotLost(w, d) /\ status # "ended"
    /\ task' = [task EXCEPT ![d.of] = Gone(task[d.of])]
    /\ inbox' = IF Outcome(d.of) \in Range(inbox) THEN inbox ELSE Append(inbox, Outcome(d.of))
    /\ taken' = [taken EXCEPT ![d.of] = @ + 1]
    /\ doing' = [doing EXCEPT ![w] = @ \ {d}]
    /\ UNCHANGED <<run, log, status, wake, heard, timer, turn, accepted, consumed, unread, reads, outcomes,
                   sent, got, due, hand, faults>>

(* A failed attempt is replaced by the next one. *)
Retry(w, d) ==
    /\ d \in doing[w] /\ IsMine(w, d) /\ d.attempt < AttemptsMax
    /\ task' = [task EXCEPT ![d.of].holder = Nobody, ![d.of].expired = FALSE, ![d.of].attempt = d.attempt + 1]
    /\ doing' = [doing EXCEPT ![w] = @ \ {d}]
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, timer, turn, ghostVars, due, hand, faults>>

(* What is given back unused counts as never delivered. *)
ReleaseTask(w, d) ==
    /\ d \in doing[w] /\ IsMine(w, d) /\ MayGoWrong("drain")
    /\ task' = [task EXCEPT ![d.of].holder = Nobody, ![d.of].expired = FALSE]
    /\ doing' = [doing EXCEPT ![w] = @ \ {d}]
    /\ faults' = faults - 1
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, timer, turn, ghostVars, due, hand>>

ReleaseTurn(w) ==
    /\ hand[w].phase = "idle" /\ hand[w].leased /\ MayGoWrong("drain")
    /\ turn' = IF turn.holder = w THEN Free ELSE turn
    /\ hand' = [hand EXCEPT ![w] = EmptyHand]
    /\ faults' = faults - 1
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, task, timer, ghostVars, due, doing>>

(* Somebody else was faster: keep what is still one's own, and look again. *)
Conflict(w) ==
    /\ hand[w].phase = "idle" /\ status # "ended"
    /\ LET theirs == {d \in doing[w] : ~IsMine(w, d)}
           isLost == hand[w].leased /\ turn.holder # w
           isBehind == hand[w].at > 0 /\ hand[w].at # Len(log) /\ (hand[w].leased \/ doing[w] # {})
       IN
       /\ theirs # {} \/ isLost \/ isBehind
       /\ turn' = IF hand[w].leased /\ turn.holder = w THEN Free ELSE turn
       /\ doing' = [doing EXCEPT ![w] = IF Bug = "conflictDropsOutcome" THEN {} ELSE @ \ theirs]
       /\ task' = IF Bug = "conflictDropsOutcome"
                  THEN [a \in Activities |-> IF \E d \in doing[w] \ theirs : d.of = a
                                             THEN Gone(task[a]) ELSE task[a]]
                  ELSE task
    /\ hand' = [hand EXCEPT ![w] = EmptyHand]
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, timer, ghostVars, due, faults>>

(* The instance has ended: whatever is there for it is late, and acknowledged. *)
AckTask(w, d) ==
    /\ status = "ended" /\ d \in doing[w]
    /\ task' = IF IsMine(w, d) THEN [task EXCEPT ![d.of] = Gone(task[d.of])]
               ELSE task
    /\ doing' = [doing EXCEPT ![w] = @ \ {d}]
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, timer, turn, ghostVars, due, hand, faults>>

AckTurn(w) ==
    /\ status = "ended" /\ hand[w].phase = "idle" /\ hand[w] # EmptyHand
    /\ turn' = IF turn.holder = w THEN Free ELSE turn
    /\ hand' = [hand EXCEPT ![w] = EmptyHand]
    /\ UNCHANGED <<run, log, status, wake, inbox, heard, task, timer, ghostVars, due, doing, faults>>

(* A reply that was lost with what it handed out. *)
Forget(w, d) ==
    /\ d \in doing[w] /\ MayGoWrong("reply")
    /\ doing' = [doing EXCEPT ![w] = @ \ {d}]
    /\ faults' = faults - 1
    /\ UNCHANGED <<itemVars, ghostVars, due, hand>>

(* A worker dies; the next one under its name knows nothing. *)
Crash(w) ==
    /\ MayGoWrong("crash")
    /\ hand[w] # EmptyHand \/ doing[w] # {}
    /\ hand' = [hand EXCEPT ![w] = EmptyHand]
    /\ doing' = [doing EXCEPT ![w] = {}]
    /\ faults' = faults - 1
    /\ UNCHANGED <<itemVars, ghostVars, due>>

-----------------------------------------------------------------------------
(* The laws that are states (architecture, section 9; concepts/guarantees.md), by their numbers there *)

BatchesAreContiguous ==                                                        \* law 1
    /\ \A i \in 1..Len(log) : log[i].number = i
    /\ \A i \in 1..Len(log) - 1 : log[i].run <= log[i + 1].run

ActivitiesResolveOnce ==                                                       \* law 3
    \A a \in Activities : outcomes[a] <= 1 /\ (outcomes[a] > 0 => task[a].is # "none")

InputsAreKeptInOrder ==                                                        \* law 6
    /\ SelectSeq(consumed, IsEvent) \o SelectSeq(inbox, IsEvent) = SelectSeq(accepted, IsEvent)
    /\ \A m \in Range(accepted) : Cardinality({i \in 1..Len(consumed) : consumed[i] = m})
                                  + Cardinality({i \in 1..Len(inbox) : inbox[i] = m}) = 1

EventsAreReadInOrder ==                                                        \* law 6
    Drop(SelectSeq(consumed, IsEvent), reads) = unread

TimersAreNotEarly ==                                                           \* law 8
    \A t \in Timers : timer[t] = "fired" => t \in due

TimersAreIndexed ==                                                            \* laws 5, 8
    status = "running" /\ (\E t \in Timers : timer[t] = "set") => wake = "later"

OutcomesAreTakenOnce ==                                                        \* law 10
    \A a \in Activities : taken[a] <= 1

OutcomesAreKept ==                                                             \* law 7
    \A a \in Activities :
        task[a].is = "gone" /\ task[a].run = run /\ ~task[a].cancelled /\ status # "ended" =>
            outcomes[a] > 0 \/ Outcome(a) \in Range(inbox)

EndedRunsLeaveNothing ==                                                       \* law 4
    \A a \in Activities : task[a].is = "open" /\ (task[a].run # run \/ status = "ended") => task[a].cancelled

OnlyTheHeldAreDeaf ==                                                          \* law 7
    heard # {} => status \in {"suspended", "blocked"}

SendsAreMadeOnce ==                                                            \* law 11
    \A p \in Peers : got[p] <= 1 /\ (got[p] > 0 => p \in sent)

(* And those that are steps. *)
HistoriesOnlyGrow ==                                                           \* law 1
    [][Len(log') >= Len(log) /\ SubSeq(log', 1, Len(log)) = log]_instanceVars

NothingFollowsTheEnd ==                                                        \* law 2
    [][status = "ended" => status' = "ended" /\ log' = log /\ inbox' = inbox /\ accepted' = accepted]_instanceVars

OutcomesAreOfTheirRun ==                                                       \* law 3
    [][\A a \in Activities : outcomes'[a] > outcomes[a] => task[a].run = run]_instanceVars

(* Liveness: what is accepted or due is not forgotten, as long as the instance is not held. *)
IsMoving == status = "running"

EventsArriveInHistory ==                                                       \* laws 6, 7
    \A m \in Messages : (m \in Range(inbox)) ~> (m \notin Range(inbox) \/ ~IsMoving)

RequestsAreHeeded ==                                                           \* law 7
    (Message("resume", 0) \in Range(inbox)) ~> (Message("resume", 0) \notin Range(inbox) \/ status = "ended")

DueTimersFire ==                                                               \* law 8
    \A t \in Timers : (t \in DueTimers) ~> (t \notin DueTimers \/ ~IsMoving)

ActivitiesComeToAnEnd ==                                                       \* laws 7, 9
    \A a \in Activities : (task[a].is = "open") ~> (task[a].is = "gone")

SendsArrive ==                                                                 \* laws 7, 11
    \A p \in Peers : (p \in sent) ~> (got[p] > 0)

LeasesEnd ==                                                          \* law 9
    (turn.holder # Nobody) ~> (turn.holder = Nobody \/ turn.expired)
=============================================================================
