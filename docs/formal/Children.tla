------------------------------ MODULE Children ------------------------------
(***************************************************************************)
(* A parent, the children that it starts under one id, and purge.  Of the  *)
(* parent's turns only what concerns children is modelled; how a turn is   *)
(* committed, and an outbox kept, is in `Instance` and `Split`.  Here both *)
(* have an outbox, whose sends are made one by one, by whoever finds it    *)
(* behind: by several at once when one stands still, and then late.  In a  *)
(* transactional store all of them are made with the turn: that is one of  *)
(* the orders here.                                                        *)
(*                                                                         *)
(* A child is known by who asked for it: an operation of the parent, or a  *)
(* stranger who has taken the id.  What a purge leaves is a tombstone.     *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
    Operations,    \* of the parent, each of which asks for a child of the same id
    Healers,       \* who makes sends
    StrangersMax,  \* so often somebody else starts an instance under the id
    RewindsMax,    \* so often a child that has failed is rewound
    FaultsMax,     \* so often a healer dies, or another one begins although he is only slow
    Bug

VARIABLES
    parent,    \* "running", "ended", "gone"
    op,        \* of each operation: "none", "open", "left" (its cancel was asked for, nobody waits), "done"
    inbox,     \* the parent's: outcomes of operations
    known,     \* the sends that the parent has accepted
    child,     \* what is under the child's id: [by, is, asked]; `asked`: the operations that have asked it to stop
    tombs,     \* of which operations' children a purge has left a tombstone
    graves,    \* the operations of which the place itself remembers that it has refused them
    box,       \* of each of the two: the sends that are left to be made, and the number of their batch
    follow,    \* of each healer: whose sends he makes, of which batch, and those that are left
    strangers, \* so many strangers may still come
    rewinds,   \* and so many rewinds
    faults,
    (* what the laws are about *)
    born,      \* of each operation: so often a child was made for it
    ended,     \* the operations whose child has ended
    refused,   \* the operations that were told that their id is taken
    outcomes,  \* of each operation: so many outcomes are in the history
    stopped    \* who has stopped whose child

itemVars  == <<parent, op, inbox, known, child, tombs, graves, box>>
ghostVars == <<born, ended, refused, outcomes, stopped>>
chanceVars == <<strangers, rewinds, faults>>
vars == <<itemVars, follow, chanceVars, ghostVars>>

Stranger == 0
NoChild == [by |-> Stranger, is |-> "none", asked |-> {}]
Sides == {"parent", "child"}
Idle == [of |-> "nobody", number |-> 0, sends |-> <<>>]

Create(o) == <<"create", o>>
Cancel(o) == <<"cancel", o>>
Outcome(o) == <<"outcome", o>>

Init ==
    /\ parent = "running"
    /\ op = [o \in Operations |-> "none"]
    /\ inbox = {} /\ known = {}
    /\ child = NoChild
    /\ tombs = {} /\ graves = {}
    /\ box = [s \in Sides |-> [number |-> 0, sends |-> <<>>]]
    /\ follow = [h \in Healers |-> Idle]
    /\ strangers = StrangersMax /\ rewinds = RewindsMax /\ faults = FaultsMax
    /\ born = [o \in Operations |-> 0] /\ ended = {} /\ refused = {}
    /\ outcomes = [o \in Operations |-> 0] /\ stopped = {}

-----------------------------------------------------------------------------
(* Turns.  No batch is written before the sends of the one before were made. *)

IsSent(s) == box[s].sends = <<>>
Sends(s, sends) == box' = [box EXCEPT ![s] = [number |-> @.number + 1, sends |-> sends]]

RECURSIVE Cancels(_)
Cancels(ops) == IF ops = {} THEN <<>>
                ELSE LET first == CHOOSE o \in ops : \A p \in ops : o <= p
                     IN <<Cancel(first)>> \o Cancels(ops \ {first})

Ask(o) ==
    /\ parent = "running" /\ IsSent("parent") /\ op[o] = "none"
    /\ op' = [op EXCEPT ![o] = "open"]
    /\ Sends("parent", <<Create(o)>>)
    /\ UNCHANGED <<parent, inbox, known, child, tombs, graves, follow, chanceVars, ghostVars>>

GiveUp(o) ==
    /\ parent = "running"
    /\ IsSent("parent") \/ Bug = "anyOrder"
    /\ op[o] = "open"
    /\ op' = [op EXCEPT ![o] = "left"]
    /\ Sends("parent", IF Bug = "anyOrder" THEN <<Cancel(o)>> \o box["parent"].sends ELSE <<Cancel(o)>>)
    /\ UNCHANGED <<parent, inbox, known, child, tombs, graves, follow, chanceVars, ghostVars>>

(* An outcome that nobody waits for any more is consumed, and means nothing. *)
Take(m) ==
    /\ parent = "running" /\ IsSent("parent") /\ m \in inbox
    /\ inbox' = inbox \ {m}
    /\ IF op[m[1]] = "open" \/ Bug = "outcomeAgain"
       THEN /\ op' = [op EXCEPT ![m[1]] = "done"]
            /\ outcomes' = [outcomes EXCEPT ![m[1]] = @ + 1]
       ELSE UNCHANGED <<op, outcomes>>
    /\ UNCHANGED <<parent, known, child, tombs, graves, box, follow, chanceVars, born, ended, refused, stopped>>

EndParent ==
    /\ parent = "running" /\ IsSent("parent")
    /\ parent' = "ended" /\ inbox' = {}
    /\ Sends("parent", IF Bug = "endForgetsChildren" THEN <<>> ELSE Cancels({o \in Operations : op[o] = "open"}))
    /\ UNCHANGED <<op, known, child, tombs, graves, follow, chanceVars, ghostVars>>

EndsChild ==
    /\ child.is = "running"
    /\ child' = [child EXCEPT !.is = "ended"]
    /\ Sends("child", IF child.by = Stranger THEN <<>> ELSE <<Outcome(child.by)>>)
    /\ ended' = ended \cup ({child.by} \ {Stranger})

(* By itself, if it does. *)
EndChild ==
    /\ EndsChild
    /\ UNCHANGED <<parent, op, inbox, known, tombs, graves, follow, chanceVars, born, refused, outcomes, stopped>>

(* Because it was asked to: it obeys its own parent's operation alone. *)
Heed(o) ==
    /\ o \in child.asked /\ (o = child.by \/ Bug = "anyCancel")
    /\ EndsChild
    /\ stopped' = stopped \cup {<<o, child.by>>}
    /\ UNCHANGED <<parent, op, inbox, known, tombs, graves, follow, chanceVars, born, refused, outcomes>>

(* A child that has failed runs once more; its parent was told of its end, and will be told of the next one. *)
RewindChild ==
    /\ rewinds > 0 /\ child.is = "ended" /\ IsSent("child")
    /\ rewinds' = rewinds - 1
    /\ child' = [child EXCEPT !.is = "running", !.asked = {}]
    /\ UNCHANGED <<parent, op, inbox, known, tombs, graves, box, follow, strangers, faults, ghostVars>>

-----------------------------------------------------------------------------
(* Purge *)

PurgeParent ==
    /\ parent = "ended"
    /\ IsSent("parent") \/ Bug = "purgeForgetsSends"
    /\ parent' = "gone" /\ Sends("parent", <<>>)
    /\ UNCHANGED <<op, inbox, known, child, tombs, graves, follow, chanceVars, ghostVars>>

PurgeChild ==
    /\ child.is = "ended"
    /\ IsSent("child") \/ Bug = "purgeForgetsSends"
    /\ child' = NoChild /\ Sends("child", <<>>)
    /\ tombs' = IF Bug = "noTombstone" THEN tombs ELSE tombs \cup ({child.by} \ {Stranger})
    /\ UNCHANGED <<parent, op, inbox, known, graves, follow, chanceVars, ghostVars>>

(* It stands as long as a message may still arrive. *)
IsUnderWay(o) ==
    \/ \E i \in 1..Len(box["parent"].sends) : box["parent"].sends[i] = Create(o)
    \/ \E h \in Healers : \E i \in 1..Len(follow[h].sends) : follow[h].sends[i] = Create(o)

TombstoneFalls(o) ==
    /\ o \in tombs \cup graves /\ (~IsUnderWay(o) \/ Bug = "shortTombstone")
    /\ tombs' = tombs \ {o} /\ graves' = graves \ {o}
    /\ UNCHANGED <<parent, op, inbox, known, child, box, follow, chanceVars, ghostVars>>

StrangerComes ==
    /\ strangers > 0 /\ child.is = "none"
    /\ strangers' = strangers - 1
    /\ child' = [NoChild EXCEPT !.is = "running"]
    /\ UNCHANGED <<parent, op, inbox, known, tombs, graves, box, follow, rewinds, faults, ghostVars>>

-----------------------------------------------------------------------------
(* Sends *)

(* Whoever finds an outbox behind makes its sends; beside another one only because that one is slow. *)
TakeUp(h, s) ==
    /\ follow[h] = Idle /\ ~IsSent(s)
    /\ LET isFollowed == \E g \in Healers : follow[g].of = s /\ follow[g].number = box[s].number IN
       /\ ~isFollowed \/ faults > 0
       /\ faults' = IF isFollowed THEN faults - 1 ELSE faults
    /\ follow' = [follow EXCEPT ![h] = [of |-> s, number |-> box[s].number, sends |-> box[s].sends]]
    /\ UNCHANGED <<itemVars, strangers, rewinds, ghostVars>>

(* Accepted while the parent has not ended: of one key once, and of one operation not before the last was taken. *)
Offered(m) ==
    LET IsThere == \E n \in inbox : <<n[1], n[2]>> = <<m[1], m[2]>> IN
    IF parent = "running" /\ m \notin known
    THEN inbox' = (IF IsThere THEN inbox ELSE inbox \cup {m}) /\ known' = known \cup {m}
    ELSE UNCHANGED <<inbox, known>>

(* One write at the child's place says what comes of it, and whoever makes it again is told the same. *)
MakeCreate(o) ==
    IF o \in tombs \/ (child.is # "none" /\ child.by = o)
    THEN UNCHANGED <<child, inbox, known, graves, born, refused>>           \* it was made before
    ELSE IF child.is = "none" /\ o \notin graves
    THEN /\ child' = [by |-> o, is |-> "running", asked |-> {}]
         /\ born' = [born EXCEPT ![o] = @ + 1]
         /\ UNCHANGED <<inbox, known, graves, refused>>
    ELSE /\ refused' = refused \cup {o}
         /\ graves' = IF Bug = "refusalForgotten" THEN graves ELSE graves \cup {o}
         /\ Offered(<<o, "taken", 0>>)
         /\ UNCHANGED <<child, born>>

MakeCancel(o) ==
    /\ child' = IF child.is = "running" THEN [child EXCEPT !.asked = @ \cup {o}] ELSE child
    /\ UNCHANGED <<inbox, known, graves, born, refused>>

MakeOutcome(o, number) ==
    /\ Offered(<<o, "end", number>>)
    /\ UNCHANGED <<child, graves, born, refused>>

Make(h) ==
    /\ follow[h].sends # <<>>
    /\ LET send == Head(follow[h].sends) IN
       CASE send[1] = "create" -> MakeCreate(send[2])
         [] send[1] = "cancel" -> MakeCancel(send[2])
         [] send[1] = "outcome" -> MakeOutcome(send[2], follow[h].number)
    /\ follow' = [follow EXCEPT ![h].sends = Tail(@)]
    /\ UNCHANGED <<parent, op, tombs, box, chanceVars, ended, outcomes, stopped>>

Mark(h) ==
    /\ follow[h] # Idle /\ follow[h].sends = <<>>
    /\ box' = [box EXCEPT ![follow[h].of].sends = IF box[follow[h].of].number = follow[h].number THEN <<>> ELSE @]
    /\ follow' = [follow EXCEPT ![h] = Idle]
    /\ UNCHANGED <<parent, op, inbox, known, child, tombs, graves, chanceVars, ghostVars>>

Dies(h) ==
    /\ follow[h] # Idle /\ faults > 0
    /\ faults' = faults - 1
    /\ follow' = [follow EXCEPT ![h] = Idle]
    /\ UNCHANGED <<itemVars, strangers, rewinds, ghostVars>>

-----------------------------------------------------------------------------
Turns == \/ \E o \in Operations : Ask(o) \/ GiveUp(o) \/ Heed(o)
         \/ \E m \in inbox : Take(m)
         \/ EndParent \/ EndChild \/ RewindChild
Purges == PurgeParent \/ PurgeChild \/ StrangerComes \/ \E o \in Operations : TombstoneFalls(o)
Heals(h) == (\E s \in Sides : TakeUp(h, s)) \/ Make(h) \/ Mark(h)

Next == Turns \/ Purges \/ \E h \in Healers : Heals(h) \/ Dies(h)

Fairness ==
    /\ \A h \in Healers : WF_vars(Heals(h))
    /\ \A o \in Operations : WF_vars(Heed(o))
    /\ WF_vars(\E m \in inbox : Take(m))

Symmetry == Permutations(Healers)

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* Nothing is born again by a late message. *)
ChildrenAreBornOnce == \A o \in Operations : born[o] <= 1                       \* law 11

OutcomesArriveOnce == \A o \in Operations : outcomes[o] <= 1                    \* law 11

(* What the parent is told is so. *)
OutcomesAreTrue ==                                                             \* law 11
    /\ \A o \in Operations : outcomes[o] > 0 => o \in ended \cup refused
    /\ \A o \in refused : born[o] = 0

OutcomesAreNotLost ==                                                          \* law 11
    \A o \in ended : parent = "running" /\ op[o] = "open" =>
        \/ \E m \in inbox : <<m[1], m[2]>> = <<o, "end">>
        \/ box["child"].sends = <<Outcome(o)>>

OnlyOwnChildrenObey == \A pair \in stopped : pair[1] = pair[2]                  \* law 11

(* Liveness: an outcome reaches its parent in the end, and the end of a parent its children. *)
ChildrenBegin ==                                                               \* law 7
    \A o \in Operations : (op[o] = "open") ~> (born[o] > 0 \/ o \in refused)

OutcomesArrive ==                                                              \* laws 7, 11
    \A o \in Operations : (o \in ended \cup refused /\ op[o] = "open") ~> (op[o] # "open" \/ parent # "running")

EndsReachChildren ==                                                           \* law 11
    \A o \in Operations :
        (child.by = o /\ child.is = "running" /\ (parent # "running" \/ op[o] = "left"))
            ~> (child.by # o \/ child.is # "running")
=============================================================================
