import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { run, unable } from "./programs";

// noSlots says that drives cannot be plugged in here.
export function noSlots(): boolean {
  if (process.getuid?.() !== 0) {
    console.warn("SKIPPED: this test needs root, for loop devices");
    return true;
  }
  return unable("/dev/loop-control", "losetup", "mkfs.vfat", "mcopy");
}

// holding attaches a file to a loop device, and lets go of the device when its
// standard input ends: with the test, however that ends.
const holding = 'losetup -r "$0" "$1" && exec 3<"$0" && losetup -d "$0" && echo in && exec cat >/dev/null';

// Slot is a loop device, where a drive can be plugged in.
export class Slot {
  private holder?: ChildProcess;
  private constructor(readonly device: string) {}

  static async find(): Promise<Slot> {
    return new Slot((await run("losetup", "-f")).trim());
  }
  get name() {
    return this.device.replace("/dev/", "");
  }

  async plug(image: string) {
    const holder = spawn("sh", ["-c", holding, this.device, image], { stdio: ["pipe", "pipe", "inherit"] });
    this.holder = holder;
    await new Promise<void>((ready, failed) => {
      holder.stdout.once("data", () => ready());
      holder.once("exit", () => failed(new Error(`nothing can be plugged into ${this.device}`)));
    });
  }

  async pull() {
    if (!this.holder) return;
    const ended = once(this.holder, "exit");
    this.holder.kill("SIGKILL");
    await ended;
    this.holder = undefined;
  }
}
