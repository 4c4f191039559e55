import type { Page } from "playwright-core";

declare global {
  interface Window {
    frames_: number[];
  }
}

// frames are the times between the frames that a page draws while something happens,
// in milliseconds, in ascending order.
export async function frames(page: Page, act: () => Promise<void>): Promise<number[]> {
  await page.evaluate(() => {
    const times: number[] = [];
    window.frames_ = times;
    let last = performance.now();
    const draw = (now: number) => {
      times.push(now - last);
      last = now;
      if (window.frames_ === times) requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
  });
  await act();
  const times = await page.evaluate(() => {
    const all = window.frames_;
    window.frames_ = [];
    return all;
  });
  return times.slice(1).sort((a, b) => a - b);
}

// quantile is the value below which a share of sorted values is.
export const quantile = (sorted: number[], share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
