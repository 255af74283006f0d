"""Text messages: DLT templates, previews with parts and costs, replies, opt-outs and delivery reports."""
