import { expect, test } from "vitest";
import { hasHost, pathOf } from "../../components/PullCommands";
import { shortName, splitName } from "./names";

const digest = `sha256:${"a".repeat(64)}`;

test("names are split as the appliance writes them", () => {
  expect(splitName("docker.io/library/nginx:1.27")).toEqual({ repository: "docker.io/library/nginx", tag: "1.27" });
  expect(splitName("10.0.0.5:5000/team/app")).toEqual({ repository: "10.0.0.5:5000/team/app" });
  expect(splitName(`10.0.0.5:5000/app@${digest}`)).toEqual({ repository: "10.0.0.5:5000/app" });
  expect(splitName(`team/app:1@${digest}`)).toEqual({ repository: "team/app", tag: undefined });
  expect(shortName(`team/app@${digest}`)).toBe("team/app@aaaaaaaaaaaa");
});

test("paths and hosts of names", () => {
  expect(pathOf("10.0.0.5:5000/team/app")).toBe("10.0.0.5_5000/team/app");
  expect(pathOf("Registry/app")).toBe("registry/app");
  expect(pathOf("docker.io/library/nginx")).toBe("docker.io/library/nginx");
  expect(pathOf("app")).toBe("app");
  for (const name of ["docker.io/a", "10.0.0.5:5000/a", "localhost/a"]) expect(hasHost(name)).toBe(true);
  for (const name of ["team/app", "app", "a.b"]) expect(hasHost(name)).toBe(false);
});
