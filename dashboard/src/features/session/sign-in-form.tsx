import { type FormEvent, useState } from "react";
import { failureOf } from "@/api/failure";
import { signIn } from "@/api/session";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";

function explanation(error: unknown): string {
  const failure = failureOf(error);
  if (failure.status === 401) return "That e-mail and password do not match.";
  return failure.requestId
    ? `${failure.detail} (${failure.code} · ${failure.requestId})`
    : failure.detail;
}

export function SignInForm() {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setProblem(null);
    try {
      await signIn(String(form.get("email")), String(form.get("password")));
    } catch (error) {
      setProblem(explanation(error));
      setBusy(false);
    }
  };

  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Field label="E-mail">
        {(ids) => (
          <Input {...ids} name="email" type="email" autoComplete="username" required autoFocus />
        )}
      </Field>
      <Field label="Password">
        {(ids) => (
          <Input
            {...ids}
            name="password"
            type="password"
            autoComplete="current-password"
            required
          />
        )}
      </Field>
      {problem && (
        <p role="alert" className="rounded-md bg-failed-bg px-3 py-2 text-failed-fg text-sm">
          {problem}
        </p>
      )}
      <Button type="submit" variant="primary" busy={busy} className="mt-1 h-9 w-full">
        Sign in
      </Button>
    </form>
  );
}
