"""What `manage.py` does before Django: the environment, the embedded servers, the demo and the test run.

Everything in here uses the standard library only, because it runs before anything is installed.
"""
