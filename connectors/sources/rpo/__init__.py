"""The public register of objections (RPO): the list to be verified, and the answer.

D.P.R. 27 January 2022, n. 26. The official file layout is not public: a *dialect* describes it.
"""
