/** The HTML editor. A chunk of its own: CodeMirror is needed on this page only. */
import { html } from "@codemirror/lang-html";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { basicSetup } from "codemirror";
import { useEffect, useRef } from "react";

export interface EditorProps {
  value: string;
  onChange: (value: string) => void;
  label: string;
  /** Hands out a function that puts text where the cursor is. */
  onReady: (insert: (text: string) => void) => void;
}

const theme = EditorView.theme({
  "&": { fontSize: "13px", height: "100%", backgroundColor: "transparent", color: "var(--fg)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font-mono, ui-monospace, monospace)", lineHeight: "20px" },
  ".cm-gutters": { backgroundColor: "transparent", border: "none", color: "var(--fg-faint)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "transparent" },
  ".cm-cursor": { borderLeftColor: "var(--fg)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--bg-active) !important",
  },
  ".cm-gutters .cm-foldGutter": { display: "none !important" },
});

/** Weight and greys instead of a rainbow: colour means state here. */
const highlight = HighlightStyle.define([
  { tag: [tags.tagName, tags.keyword], fontWeight: "600" },
  {
    tag: [tags.attributeName, tags.propertyName, tags.angleBracket, tags.comment],
    color: "var(--fg-faint)",
  },
  { tag: [tags.attributeValue, tags.string, tags.number], color: "var(--fg-muted)" },
]);

export default function Editor({ value, onChange, label, onReady }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const first = useRef({ value, label });
  const latest = useRef({ onChange, onReady });
  useEffect(() => {
    latest.current = { onChange, onReady };
  });
  useEffect(() => {
    if (!host.current) return;
    const view = new EditorView({
      parent: host.current,
      doc: first.current.value,
      extensions: [
        basicSetup,
        html(),
        theme,
        syntaxHighlighting(highlight),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": first.current.label }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) latest.current.onChange(update.state.doc.toString());
        }),
      ],
    });
    latest.current.onReady((text) => {
      view.dispatch(view.state.replaceSelection(text));
      view.focus();
    });
    return () => view.destroy();
  }, []);
  return <div ref={host} className="h-full overflow-hidden" />;
}
