"""What the doctor looks at, a file each: every check takes the patient and returns findings."""
