const span = 10_000; // milliseconds that a rate is of
const every = 400; // between two samples

// Meter tells how quickly a number grows.
export class Meter {
  private samples: { time: number; at: number }[] = [];

  add(at: number, time = performance.now()) {
    const last = this.samples.at(-1);
    if (last && at < last.at) this.samples = []; // it was taken back
    if (last && time - last.time < every && at >= last.at) return;
    this.samples.push({ time, at });
    while (this.samples.length > 2 && time - (this.samples[0]?.time ?? time) > span) this.samples.shift();
  }

  // rate is per second; undefined while too little is known.
  rate(): number | undefined {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (!first || !last || last.time - first.time < 1000) return undefined;
    return ((last.at - first.at) * 1000) / (last.time - first.time);
  }

  clear() {
    this.samples = [];
  }
}
