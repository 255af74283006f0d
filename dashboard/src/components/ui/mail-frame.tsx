import { cx } from "@/lib/cx";

interface MailFrameProps {
  html: string;
  title: string;
  className?: string;
}

/**
 * Mail content is hostile. The empty `sandbox` gives it an opaque origin without scripts, forms, popups or top-level
 * navigation, and its own CSP keeps it from fetching anything: a preview must not fire tracking pixels.
 */
const POLICY =
  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data: cid:; font-src data:\">" +
  '<meta name="color-scheme" content="light"><base target="_blank">';

export function MailFrame({ html, title, className }: MailFrameProps) {
  return (
    <iframe
      title={title}
      sandbox=""
      referrerPolicy="no-referrer"
      srcDoc={`<!doctype html>${POLICY}${html}`}
      className={cx("block w-full bg-white", className)}
    />
  );
}
