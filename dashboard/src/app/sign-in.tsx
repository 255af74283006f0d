import { useEffect } from "react";
import { Command } from "@/components/ui/copy";
import { Logo } from "@/components/ui/logo";
import { SignInForm } from "@/features/session/sign-in-form";

/** Stands in for every page until somebody is signed in: the address stays, so a link leads on afterwards. */
export function SignIn() {
  useEffect(() => {
    document.title = "Sign in · TaskFlow";
  }, []);
  return (
    <main className="flex min-h-dvh items-start justify-center px-4 pt-[16vh] pb-8">
      <div className="w-full max-w-[340px]">
        <div className="mb-8 flex items-center gap-2.5">
          <Logo size={28} />
          <h1 className="font-semibold text-xl tracking-[-0.01em]">Sign in to TaskFlow</h1>
        </div>
        <SignInForm />
        <details className="mt-8 border-t pt-4 text-muted text-sm">
          <summary className="rounded-sm hover:text-fg">No account, or no password?</summary>
          <div className="mt-3 flex flex-col gap-3">
            <p>
              The first start of TaskFlow made an administrator and showed its password once in the
              terminal. An administrator makes further accounts:
            </p>
            <Command>taskflow user create you@example.com --role operator</Command>
          </div>
        </details>
      </div>
    </main>
  );
}
