// Browsers and systems by the words of their User-Agent. Many name others, too: the
// first that is found counts.
const browsers: [word: RegExp, name: string][] = [
  [/\bEdgA?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bFirefox\//, "Firefox"],
  [/\bFxiOS\//, "Firefox"],
  [/\bCriOS\//, "Chrome"],
  [/\b(Headless)?Chrome\//, "Chrome"],
  [/\bVersion\/.*\bSafari\//, "Safari"],
  [/^curl\//, "curl"],
];
const systems: [word: RegExp, name: string][] = [
  [/\bWindows\b/, "Windows"],
  [/\bAndroid\b/, "Android"],
  [/\biPhone\b|\biPad\b/, "iOS"],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

// browserOf is what people call the program that a User-Agent is of.
export function browserOf(agent: string): { browser?: string; system?: string } {
  const find = (list: [RegExp, string][]) => list.find(([word]) => word.test(agent))?.[1];
  return { browser: find(browsers), system: find(systems) };
}
