const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export interface Suggestion {
  to: string;
  label: string;
}

/** Where a typed text may lead: an id to its page, an address to its mail, a word to tasks of that name. */
export function suggestions(text: string): Suggestion[] {
  const term = text.trim();
  const quoted = encodeURIComponent(term);
  if (UUID.test(term)) {
    const id = term.toLowerCase();
    return [
      { to: `/tasks/${id}`, label: `Open task ${id}` },
      { to: `/campaigns/${id}`, label: `Open campaign ${id}` },
      { to: `/dead-letters/${id}`, label: `Open dead letter ${id}` },
      { to: `/tasks?campaign_id=${id}`, label: "Show the tasks of this campaign" },
    ];
  }
  const mail = { to: `/inbox?q=${quoted}`, label: `Find mail with “${term}”` };
  if (term.includes("@")) return [mail];
  return [
    { to: `/tasks?task_name=${quoted}`, label: `Show tasks named “${term}”` },
    { to: `/tasks?task_name=${quoted}&status=FAILED`, label: `Show failed tasks named “${term}”` },
    mail,
  ];
}
