"""Deploying a program to AWS: a CloudFormation template, and the stack that is made of it.

The one rule: the template is the whole truth. What `nexus deploy` does beyond handing it to CloudFormation is to look,
to upload and to wait, so that anybody may deploy what `nexus build` has written with tools of their own.
"""
