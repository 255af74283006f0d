"""The router: which provider gets a message, who must wait and why, and who is left alone until it has recovered."""
