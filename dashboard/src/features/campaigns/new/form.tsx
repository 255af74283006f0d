import type { ReactNode } from "react";
import { Field, Input } from "@/components/ui/field";
import { Select } from "@/components/ui/select";
import type { CsvHead } from "./csv";
import { CsvDrop } from "./csv-drop";
import { CsvPreview } from "./csv-preview";
import { type Draft, type DraftErrors, sharedValues } from "./draft";
import { SharedValues } from "./shared-values";
import { TemplateEditor } from "./template-editor";

interface CampaignFormProps {
  draft: Draft;
  errors: DraftErrors;
  onChange: (change: Partial<Draft>) => void;
  file: File | null;
  head: CsvHead | null;
  onFile: (file: File | null) => void;
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-4 border-b pb-6 last:border-0">
      <h2 className="font-semibold text-base">{title}</h2>
      {children}
    </section>
  );
}

const policies = [
  { value: "hold", label: "Keep for a decision" },
  { value: "resend", label: "Send again" },
];

export function CampaignForm({ draft, errors, onChange, file, head, onFile }: CampaignFormProps) {
  const text = (key: Exclude<keyof Draft, "shared">) => ({
    value: draft[key],
    onChange: (event: { target: { value: string } }) => onChange({ [key]: event.target.value }),
  });
  return (
    <div className="flex min-w-0 flex-col gap-6">
      <Section title="Recipients">
        <CsvDrop file={file} head={head} onFile={onFile} />
        {head && <CsvPreview head={head} />}
        {errors.file && !head && <p className="text-failed-fg text-xs">{errors.file}</p>}
      </Section>
      <Section title="Message">
        <Field label="Campaign name" error={errors.name} hint="For you; recipients do not see it.">
          {(ids) => (
            <Input {...ids} {...text("name")} placeholder="Black Friday" autoComplete="off" />
          )}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="From address" error={errors.fromEmail}>
            {(ids) => (
              <Input {...ids} {...text("fromEmail")} type="email" placeholder="news@example.com" />
            )}
          </Field>
          <Field label="From name" optional>
            {(ids) => <Input {...ids} {...text("fromName")} placeholder="Example Shop" />}
          </Field>
        </div>
        <Field label="Subject" error={errors.subject}>
          {(ids) => (
            <Input
              {...ids}
              {...text("subject")}
              placeholder={"{{ first_name }}, your early access"}
              autoComplete="off"
            />
          )}
        </Field>
        <TemplateEditor
          value={draft.body}
          onChange={(body) => onChange({ body })}
          variables={[...(head?.columns ?? []), ...Object.keys(sharedValues(draft))].filter(
            (name) => /^[A-Za-z_]\w*$/.test(name),
          )}
        />
        {errors.body && <p className="text-failed-fg text-xs">{errors.body}</p>}
        <SharedValues values={draft.shared} onChange={(shared) => onChange({ shared })} />
      </Section>
      <Section title="Sending">
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Mails a minute" error={errors.rate} hint="Empty means no limit.">
            {(ids) => (
              <Input {...ids} {...text("rate")} inputMode="numeric" placeholder="no limit" />
            )}
          </Field>
          <Field
            label="Start at"
            optional
            error={errors.scheduledAt}
            hint="Empty means when you start it."
          >
            {(ids) => <Input {...ids} {...text("scheduledAt")} type="datetime-local" />}
          </Field>
          <Field label="Reply to" optional error={errors.replyTo}>
            {(ids) => <Input {...ids} {...text("replyTo")} type="email" />}
          </Field>
          <Field
            label="Mails that may have gone out"
            hint="When a crash hides the server's answer."
          >
            {(ids) => (
              <Select
                {...ids}
                value={draft.uncertainPolicy}
                onChange={(uncertainPolicy) => onChange({ uncertainPolicy })}
                options={policies}
              />
            )}
          </Field>
        </div>
      </Section>
    </div>
  );
}
