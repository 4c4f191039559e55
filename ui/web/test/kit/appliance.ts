import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { got, localClient } from "./local";
import { until } from "./programs";

export const password = "correct-horse-1";

export type User = { name: string; role: "admin" | "operator" | "viewer"; restricted?: boolean; grants?: { prefix: string; actions: ("pull" | "push" | "delete")[] }[] };

// The people whom tests send.
export const ada: User = { name: "ada", role: "admin" };
export const otto: User = { name: "otto", role: "operator" };
export const vera: User = { name: "vera", role: "viewer" };
export const rita: User = { name: "rita", role: "viewer", restricted: true, grants: [{ prefix: "team", actions: ["pull"] }] };

const all = new Set<Appliance>();
process.on("exit", () => all.forEach((a) => a.end("SIGKILL")));

// Appliance is `landfall serve` over a data folder of its own.
export class Appliance {
  readonly folder = mkdtempSync(join(tmpdir(), "site-"));
  readonly data = join(this.folder, "data");
  readonly api = localClient(join(this.data, "landfall.sock"));
  said = "";
  private port = 0;
  private process?: ChildProcess;

  private constructor(private readonly args: string[]) {}

  // start starts one, with more arguments for serve and the text of a configuration.
  static async start({ args = [], config = "" }: { args?: string[]; config?: string } = {}): Promise<Appliance> {
    const a = new Appliance(args);
    all.add(a);
    if (config) {
      const file = join(a.folder, "config.yaml");
      writeFileSync(file, config);
      a.args.push("--config", file);
    }
    await a.launch();
    return a;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }
  get host() {
    return `127.0.0.1:${this.port}`;
  }
  // link is that of the first start.
  get link(): string {
    const link = /^ {2}(https?:\/\/\S+\/setup#\S+)$/m.exec(this.said)?.[1];
    if (!link) throw new Error(`no setup link was printed: ${this.said}`);
    return link;
  }

  // launch starts the process, on the port that it had before, and waits until it
  // answers. It dies with the tests.
  private async launch() {
    this.said = "";
    const serve = ["serve", "--data", this.data, "--listen", `127.0.0.1:${this.port}`, ...this.args];
    const child = spawn("setpriv", ["--pdeathsig", "KILL", process.env.LANDFALL_BIN ?? "", ...serve], { stdio: ["ignore", "ignore", "pipe"] });
    this.process = child;
    child.stderr.on("data", (text) => (this.said += String(text)));
    await new Promise<void>((ready, failed) => {
      child.stderr.on("data", () => /serving http:\S+ from/.test(this.said) && ready());
      child.on("exit", (code) => failed(new Error(`landfall serve has ended with ${code}: ${this.said}`)));
      child.on("error", failed);
    });
    this.port = Number(/serving http:\/\/127\.0\.0\.1:(\d+) from/.exec(this.said)?.[1]);
    await got(this.api.GET("/api/v1/system/health")); // by now it has said all
  }

  end(signal: NodeJS.Signals) {
    this.process?.kill(signal);
  }

  // kill ends it as a power cut does.
  async kill() {
    const ended = this.process && once(this.process, "exit");
    this.end("SIGKILL");
    await ended;
    this.process = undefined;
  }
  restart = () => this.launch();

  // stop ends it, and removes what it had.
  async stop() {
    if (this.process) {
      const ended = once(this.process, "exit");
      this.end("SIGTERM");
      await ended;
    }
    all.delete(this);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async add(...users: User[]) {
    for (const { name, role, restricted, grants } of users) await got(this.api.POST("/api/v1/users", { body: { name, role, restricted, grants, password } }));
  }

  // done waits until a job is done, and returns it.
  done(id: string) {
    return until(async () => {
      const job = await got(this.api.GET("/api/v1/jobs/{id}", { params: { path: { id } } }));
      if (job.state === "failed" || job.state === "cancelled") throw new Error(`job ${id} is ${job.state}: ${JSON.stringify(job.error)}`);
      return job.state === "done" && job;
    });
  }
}
