"""What comes back: replies of people with their STOP and START, and delivery reports of providers."""
