import { describe, expect, it } from "vitest";
import { asFields, parse, readHead, sniff } from "@/features/campaigns/new/csv";

const utf8 = (text: string) => new TextEncoder().encode(text);

describe("the head of a CSV file", () => {
  it("finds delimiter, columns and the address", () => {
    const head = readHead(utf8("E-Mail;name\nzoe@example.com;Zoë\n"));
    expect(head).toMatchObject({
      delimiter: ";",
      columns: ["E-Mail", "name"],
      emailColumn: "E-Mail",
      encoding: "UTF-8",
    });
    expect(asFields(head, 0)).toEqual({
      "E-Mail": "zoe@example.com",
      name: "Zoë",
      email: "zoe@example.com",
    });
  });
  it("reads a Latin-1 file and says so", () => {
    const head = readHead(
      Uint8Array.from(Buffer.from("email,city\na@example.com,Z\xfcrich\n", "latin1")),
    );
    expect(head.encoding).toBe("Windows-1252");
    expect(head.rows[0]).toEqual(["a@example.com", "Zürich"]);
  });
  it("finds addresses by content when no name says so", () => {
    expect(readHead(utf8("who,to\nAmir,amir@example.com\n")).emailColumn).toBe("to");
    expect(readHead(utf8("who,city\nAmir,Cork\n")).emailColumn).toBeNull();
  });
  it("takes an empty file for what it is", () => {
    expect(readHead(utf8("")).columns).toEqual([]);
  });
  it("drops a byte order mark", () => {
    expect(readHead(utf8("\uFEFFemail,name\n")).columns).toEqual(["email", "name"]);
  });
  it("keeps delimiters, quotes and line breaks inside quotes", () => {
    expect(parse('a,b\r\n"x, ""y""\nz",2\r\n', ",", 10)).toEqual([
      ["a", "b"],
      ['x, "y"\nz', "2"],
    ]);
  });
  it("is not fooled by commas inside semicolon columns", () => {
    expect(sniff("email;note\na@example.com;one, two, three\nb@example.com;four, five\n")).toBe(
      ";",
    );
  });
});
