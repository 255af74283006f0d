"""The SMTP relay: any program that can send mail through a server can send it through TaskFlow."""
