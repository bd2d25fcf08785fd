"""From a program to what is deployed: what belongs into an artifact, and the platforms that run it.

`build` makes the artifact and leaves the template to a `Platform`, which an installed package offers in the entry-point
group `nexus_sdk.platforms`. The one rule: nothing here knows any cloud.
"""
