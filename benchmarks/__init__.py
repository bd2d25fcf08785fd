"""How fast nexus_sdk is on this machine, beside what the machine can do at best. See README.md.

Times on a busy machine mean little; their ratios to the limits of the same moment mean more. So every workload runs in
a process of its own, and that process measures the raw limits right before and right after.
"""
