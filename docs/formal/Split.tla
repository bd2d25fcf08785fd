-------------------------------- MODULE Split --------------------------------
(***************************************************************************)
(* A store with one conditional write per item, and a queue that lies      *)
(* elsewhere (DynamoDB and SQS, and their like).  The item is the truth; a *)
(* message on the queue only refers to it: it may be lost, and as it stays *)
(* until it is put away, it may be delivered any number of times.  What a  *)
(* turn sends to others lies beside the batch, in the outbox, until it was *)
(* sent; whoever finds an outbox behind sends it first.                    *)
(***************************************************************************)
EXTENDS Instance, TLC

VARIABLES
    queue,     \* the messages: <<"turn", 0, 0>> is the bell, <<"task", a, n>> is attempt n of activity a
    sentAs,    \* of each activity: the attempt that its message stands for
    outbox,    \* what is left to be sent: a sequence of [number, tasks, sends]
    entries,   \* the number of the last entry
    through,   \* the record's sent_through
    known,     \* the peers that know the key of our message
    follow     \* of each worker: the entry whose sends it makes, and those that are left

splitVars == <<queue, sentAs, outbox, entries, through, known, follow>>
vars == <<instanceVars, splitVars>>

Bell == <<"turn", 0, 0>>
Reference(a, n) == <<"task", a, n>>
NoEntry == [number |-> 0, tasks |-> {}, sends |-> {}]

Rings == queue' = queue \cup {Bell}
Silent == queue' = queue
OutboxStays == UNCHANGED <<outbox, entries, through, known, follow>>
QuietOutbox == OutboxStays /\ sentAs' = sentAs

Init ==
    /\ InstanceInit
    /\ queue = {Bell}
    /\ sentAs = [a \in Activities |-> 0]
    /\ outbox = <<>> /\ entries = 0 /\ through = 0
    /\ known = {}
    /\ follow = [w \in Workers |-> NoEntry]

-----------------------------------------------------------------------------
(* The outbox *)

(* Of delivered activities the messages need not be put any more. *)
CrossedOut(done) ==
    LET Crossed(e) == [e EXCEPT !.tasks = @ \ done]
        all == [i \in 1..Len(outbox) |-> Crossed(outbox[i])]
        IsLeft(e) == e.tasks # {} \/ e.sends # {}
    IN SelectSeq(all, IsLeft)

Through(box, last) == IF box = <<>> THEN last ELSE box[1].number - 1

(* The write of a turn, with its outbox; not before what older batches have left was sent. *)
CommitWithOutbox(w, c) ==
    LET number == entries + 1
        fresh == [number |-> number, tasks |-> c.schedules, sends |-> c.sends]
        hasMore == c.schedules # {} \/ c.sends # {}
        left == CrossedOut({d.of : d \in c.done})
        box == IF hasMore THEN <<fresh>> ELSE <<>>
    IN
    /\ left = <<>> \/ Bug = "lostOutbox"
    /\ Commit(w, c)
    /\ entries' = number
    /\ outbox' = box
    /\ through' = Through(box, number)
    /\ follow' = [follow EXCEPT ![w] = IF hasMore /\ hand'[w].phase = "idle" THEN fresh ELSE NoEntry]
    /\ sentAs' = [a \in Activities |-> IF a \in c.schedules THEN 1 ELSE sentAs[a]]
    /\ UNCHANGED <<got, known, queue>>

TakeTurn(w) == follow[w] = NoEntry /\ Turn(w, LAMBDA c : CommitWithOutbox(w, c))

(* Whoever finds it behind follows it up; while its committer still does, only because he stands still. *)
Heal(w) ==
    /\ outbox # <<>> /\ follow[w] = NoEntry /\ Bug # "noHeal"
    /\ LET isFollowed == \E v \in Workers : follow[v].number = outbox[1].number IN
       /\ ~isFollowed \/ MayGoWrong("stall")
       /\ faults' = IF isFollowed THEN faults - 1 ELSE faults
    /\ follow' = [follow EXCEPT ![w] = outbox[1]]
    /\ UNCHANGED <<itemVars, ghostVars, due, localVars, queue, sentAs, outbox, entries, through, known>>

PutTasks(w) ==
    /\ follow[w].tasks # {}
    /\ queue' = queue \cup {Reference(a, sentAs[a]) : a \in {x \in follow[w].tasks : task[x].is = "open"}}
    /\ follow' = [follow EXCEPT ![w].tasks = {}]
    /\ UNCHANGED <<instanceVars, sentAs, outbox, entries, through, known>>

Send(w, p) ==
    /\ p \in follow[w].sends
    /\ got' = [got EXCEPT ![p] = IF p \in known /\ Bug # "peerForgets" THEN @ ELSE @ + 1]
    /\ known' = known \cup {p}
    /\ follow' = [follow EXCEPT ![w].sends = @ \ {p}]
    /\ UNCHANGED <<itemVars, accepted, consumed, unread, reads, outcomes, taken, sent, due, localVars, faults,
                   queue, sentAs, outbox, entries, through>>

MarkSent(w) ==
    /\ follow[w].number > 0
    /\ (follow[w].tasks = {} /\ follow[w].sends = {}) \/ Bug = "sentEarly"
    /\ LET IsOther(e) == e.number # follow[w].number
           left == SelectSeq(outbox, IsOther)
       IN /\ outbox' = left
          /\ through' = Through(left, entries)
    /\ follow' = [follow EXCEPT ![w] = NoEntry]
    /\ UNCHANGED <<instanceVars, queue, sentAs, entries, known>>

-----------------------------------------------------------------------------
(* The queue *)

TakeBell(w) == Bell \in queue /\ outbox = <<>> /\ LeaseTurn(w)

TakeTask(w, a) ==
    /\ Reference(a, sentAs[a]) \in queue \/ a \in follow[w].tasks     \* or claimed by the commit that asked for it
    /\ LeaseTask(w, a)

(* A message that refers to nothing any more. *)
IsIdle(m) == IF m = Bell THEN ~IsReady
             ELSE task[m[2]].is # "open" \/ sentAs[m[2]] # m[3]

PutAway(m) ==
    /\ m \in queue /\ IsIdle(m)
    /\ queue' = queue \ {m}
    /\ UNCHANGED instanceVars /\ QuietOutbox

MessageIsLost(m) ==
    /\ m \in queue /\ ~IsIdle(m) /\ MayGoWrong("queue")
    /\ queue' = queue \ {m}
    /\ faults' = faults - 1
    /\ UNCHANGED <<itemVars, ghostVars, due, localVars>> /\ QuietOutbox

(* The sweep puts again what should have been answered. *)
Missing ==
    (IF IsReady /\ IsFree(turn) THEN {Bell} ELSE {}) \cup
    {Reference(a, sentAs[a]) : a \in {x \in Activities : task[x].is = "open" /\ IsFree(task[x])}}

Sweep(m) ==
    /\ m \notin queue /\ Bug # "noSweep"
    /\ queue' = queue \cup {m}
    /\ UNCHANGED instanceVars /\ QuietOutbox

-----------------------------------------------------------------------------
Clients == \E m \in Messages : outbox = <<>> /\ Accept(m) /\ Rings /\ QuietOutbox
Time == \/ \E t \in Timers : ComeDue(t) /\ Rings /\ QuietOutbox
        \/ TurnLeaseEnds /\ Silent /\ QuietOutbox
        \/ \E a \in Activities : TaskLeaseEnds(a) /\ Silent /\ QuietOutbox

ReportsTo(w, d) ==
    /\ CrossedOut({d.of}) = <<>>
    /\ Report(w, d) /\ Rings
    /\ outbox' = <<>> /\ through' = Through(<<>>, entries)
    /\ UNCHANGED <<entries, known, follow, sentAs>>

Retries(w, d) ==
    /\ Retry(w, d)
    /\ sentAs' = [sentAs EXCEPT ![d.of] = d.attempt + 1]
    /\ queue' = queue \cup {Reference(d.of, d.attempt + 1)}
    /\ OutboxStays

Follows(w) == PutTasks(w) \/ (\E p \in Peers : Send(w, p)) \/ MarkSent(w)

Works(w) ==
    \/ TakeBell(w) /\ Silent /\ QuietOutbox
    \/ \E a \in Activities : TakeTask(w, a) /\ Silent /\ QuietOutbox
    \/ HasSomething(w) /\ (Load(w) \/ Warm(w)) /\ Silent /\ QuietOutbox
    \/ TakeTurn(w)
    \/ outbox = <<>> /\ Repeat(w) /\ Silent /\ QuietOutbox
    \/ Conflict(w) /\ Rings /\ QuietOutbox
    \/ AckTurn(w) /\ Silent /\ QuietOutbox
    \/ \E d \in doing[w] : AckTask(w, d) /\ Silent /\ QuietOutbox
    \/ \E d \in doing[w] : ReportsTo(w, d) \/ Retries(w, d)
    \/ Follows(w)

GoesWrong(w) ==
    \/ \E d \in doing[w] : ReleaseTask(w, d) /\ Silent /\ QuietOutbox
    \/ \E d \in doing[w] : Forget(w, d) /\ Silent /\ QuietOutbox
    \/ ReleaseTurn(w) /\ Rings /\ QuietOutbox
    \/ /\ Crash(w) /\ Silent
       /\ follow' = [follow EXCEPT ![w] = NoEntry]
       /\ UNCHANGED <<sentAs, outbox, entries, through, known>>
    \/ /\ follow[w] # NoEntry /\ hand[w] = EmptyHand /\ doing[w] = {} /\ MayGoWrong("crash")
       /\ follow' = [follow EXCEPT ![w] = NoEntry]
       /\ faults' = faults - 1
       /\ UNCHANGED <<itemVars, ghostVars, due, localVars, queue, sentAs, outbox, entries, through, known>>

Next ==
    \/ Clients \/ Time
    \/ \E m \in queue : PutAway(m) \/ MessageIsLost(m)
    \/ \E m \in Missing : Sweep(m)
    \/ \E w \in Workers : Works(w) \/ Heal(w) \/ GoesWrong(w)

Fairness ==
    /\ WF_vars(\E m \in Missing : Sweep(m))
    /\ \A t \in Timers : WF_vars(ComeDue(t) /\ Rings /\ QuietOutbox)
    /\ WF_vars(TurnLeaseEnds /\ Silent /\ QuietOutbox)
    /\ \A a \in Activities : WF_vars(TaskLeaseEnds(a) /\ Silent /\ QuietOutbox)
    /\ \A w \in Workers : WF_vars(Works(w)) /\ WF_vars(Heal(w))

Symmetry == Permutations(Workers)

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* An outbox is sent before it is forgotten. *)
OutboxIsKept ==                                                                \* law 1
    \A p \in sent : got[p] > 0 \/ \E i \in 1..Len(outbox) : p \in outbox[i].sends

SentThroughIsTrue ==
    /\ through = Through(outbox, entries)
    /\ \A i \in 1..Len(outbox) : through < outbox[i].number /\ outbox[i].number <= entries
=============================================================================
