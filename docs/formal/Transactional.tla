---------------------------- MODULE Transactional ----------------------------
(***************************************************************************)
(* A store whose every verb is one transaction (memory, SQLite): what a    *)
(* turn sends is there with the turn.  Workers look when the doorbell      *)
(* rings; it may be lost, so somebody sweeps.                              *)
(***************************************************************************)
EXTENDS Instance, TLC

VARIABLE bell   \* whether workers have been told to look

vars == <<instanceVars, bell>>

HasWork == (IsReady /\ IsFree(turn)) \/ \E a \in Activities : task[a].is = "open" /\ IsFree(task[a])

Rings == bell' = TRUE
Silent == bell' = bell

Init == InstanceInit /\ bell = TRUE

Delivered(c) == got' = [p \in Peers |-> IF p \in c.sends THEN got[p] + 1 ELSE got[p]]

TakeTurn(w) == Turn(w, LAMBDA c : Commit(w, c) /\ Delivered(c) /\ Rings)

BellIsLost ==
    /\ bell /\ MayGoWrong("bell")
    /\ bell' = FALSE /\ faults' = faults - 1
    /\ UNCHANGED <<itemVars, ghostVars, due, localVars>>

BellIsHeard ==
    /\ bell /\ ~HasWork /\ "bell" \in FaultKinds   \* otherwise it makes no difference
    /\ bell' = FALSE
    /\ UNCHANGED instanceVars

Sweep ==
    /\ ~bell /\ HasWork /\ Bug # "noSweep"
    /\ Rings
    /\ UNCHANGED instanceVars

Clients == \E m \in Messages : Accept(m) /\ Rings
Time == \/ \E t \in Timers : ComeDue(t) /\ Silent
        \/ TurnLeaseEnds /\ Silent
        \/ \E a \in Activities : TaskLeaseEnds(a) /\ Silent

Works(w) ==
    \/ bell /\ LeaseTurn(w) /\ Silent
    \/ \E a \in Activities : bell /\ LeaseTask(w, a) /\ Silent
    \/ HasSomething(w) /\ (Load(w) \/ Warm(w)) /\ Silent
    \/ TakeTurn(w)
    \/ Repeat(w) /\ Silent
    \/ Conflict(w) /\ Rings
    \/ AckTurn(w) /\ Silent
    \/ \E d \in doing[w] : AckTask(w, d) /\ Silent
    \/ \E d \in doing[w] : Report(w, d) /\ Rings
    \/ \E d \in doing[w] : Retry(w, d) /\ Rings

GoesWrong(w) ==
    \/ \E d \in doing[w] : ReleaseTask(w, d) /\ Rings
    \/ \E d \in doing[w] : Forget(w, d) /\ Silent
    \/ ReleaseTurn(w) /\ Rings
    \/ Crash(w) /\ Silent

Next == Clients \/ Time \/ BellIsLost \/ BellIsHeard \/ Sweep \/ \E w \in Workers : Works(w) \/ GoesWrong(w)

Fairness ==
    /\ WF_vars(Sweep)
    /\ \A t \in Timers : WF_vars(ComeDue(t) /\ Silent)
    /\ WF_vars(TurnLeaseEnds /\ Silent)
    /\ \A a \in Activities : WF_vars(TaskLeaseEnds(a) /\ Silent)
    /\ \A w \in Workers : WF_vars(Works(w))

Symmetry == Permutations(Workers)

Spec == Init /\ [][Next]_vars /\ Fairness

(* What a turn sends is there with the turn. *)
SendsAreThere == \A p \in Peers : p \in sent <=> got[p] > 0                     \* law 1
=============================================================================
