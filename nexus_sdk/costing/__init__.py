"""What a run costs on a cloud: operations that were counted, times a dated price table, beside what else there is.

A cloud is found through the entry-point group `nexus_sdk.costing`; it plays a run with its own provider's code on
services in memory, and says what it asked of them. Here is what all clouds share: prices, bills, the comparison, and
the run itself, whose time is a fake clock's. The one rule: what can be counted is counted, and what is assumed is said.
"""
