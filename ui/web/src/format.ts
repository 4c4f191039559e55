import { useMemo } from "react";
import { useLanguage } from "./text";

const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

// Format writes numbers and times as a language does.
export class Format {
  // What formats is kept: making it takes longer than all else, and lists are long.
  private readonly made = new Map<string, Intl.DateTimeFormat>();
  private readonly since: Intl.RelativeTimeFormat;

  constructor(private readonly language: string) {
    this.since = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  }

  // bytes has binary units (IEC 80000-13) and three digits at least.
  bytes(n: number): string {
    let unit = 0;
    let value = n;
    for (; Math.abs(value) >= 1024 && unit < binary.length - 1; unit++) value /= 1024;
    const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return `${this.number(value, digits)} ${binary[unit]}`;
  }

  rate(bytesPerSecond: number): string {
    return `${this.bytes(bytesPerSecond)}/s`;
  }

  count(n: number): string {
    return this.number(n, 0);
  }

  // percent is of a share of 1.
  percent(share: number): string {
    return new Intl.NumberFormat(this.language, { style: "percent", maximumFractionDigits: 0 }).format(share);
  }

  // time has the date, and the zone that it is told in.
  time(at: string | number | Date): string {
    return this.dates({ dateStyle: "medium", timeStyle: "medium" }).format(new Date(at)) + " " + this.zone(at);
  }

  // clock is a time of a day, with its zone where that is asked for.
  clock(at: string | number | Date): string {
    return this.dates({ timeStyle: "medium" }).format(new Date(at));
  }

  // hour and day are short: what they are of is seen around them.
  hour(at: string | number | Date): string {
    return this.dates({ hour: "2-digit", minute: "2-digit" }).format(new Date(at));
  }

  day(at: string | number | Date): string {
    return this.dates({ day: "numeric", month: "short" }).format(new Date(at));
  }

  date(at: string | number | Date): string {
    return this.dates({ dateStyle: "medium" }).format(new Date(at));
  }

  zone(at: string | number | Date = Date.now()): string {
    const parts = this.dates({ timeZoneName: "short" }).formatToParts(new Date(at));
    return parts.find((p) => p.type === "timeZoneName")?.value ?? "UTC";
  }

  // relative is like "3 minutes ago".
  relative(at: string | number | Date, now = Date.now()): string {
    const seconds = (new Date(at).getTime() - now) / 1000;
    for (const [unit, length] of spans) {
      if (Math.abs(seconds) >= length) return this.since.format(Math.round(seconds / length), unit);
    }
    return this.since.format(0, "second");
  }

  // duration has at most two units.
  duration(seconds: number): string {
    const parts: string[] = [];
    let left = Math.max(0, Math.round(seconds));
    for (const [unit, length] of lengths) {
      const n = Math.floor(left / length);
      left -= n * length;
      if (n > 0 || (parts.length === 0 && unit === "second")) parts.push(this.unit(n, unit));
      if (parts.length === 2) break;
    }
    return parts.join(" ");
  }

  list(items: string[]): string {
    return new Intl.ListFormat(this.language, { type: "conjunction" }).format(items);
  }

  private dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    const key = JSON.stringify(options);
    const made = this.made.get(key) ?? new Intl.DateTimeFormat(this.language, options);
    this.made.set(key, made);
    return made;
  }

  private unit(n: number, unit: string): string {
    return new Intl.NumberFormat(this.language, { style: "unit", unit, unitDisplay: "short" }).format(n);
  }

  private number(n: number, digits: number): string {
    return new Intl.NumberFormat(this.language, { maximumFractionDigits: digits }).format(n);
  }
}

const spans: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

const lengths: [string, number][] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

// useFormat is the format of the language that is shown.
export function useFormat(): Format {
  const language = useLanguage();
  // The region is the browser's, where it speaks the language.
  return useMemo(() => new Format(navigator.languages.find((l) => l.startsWith(language)) ?? language), [language]);
}
