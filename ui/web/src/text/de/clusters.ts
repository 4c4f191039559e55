import type * as en from "../en";
import type { Words } from "../words";

export const clusters: Words<typeof en.clusters> = {
  title: "Definitionen und Cluster",
  about: "Eine Definition beschreibt einen ganzen Cluster: welche Versionen, Images und Einstellungen dazugehören.",
  definitions: "Definitionen hier",
  definitionsAbout: "Jeder Name mit seiner Version ist ein Artefakt dieses Standorts wie jedes andere.",
  empty: "Noch keine Definition hier",
  emptyText: "Eine Definition entsteht auf der verbundenen Seite und kommt mit einem Bundle, zusammen mit allen Images, die sie nennt. Ist sie eingespielt, steht sie hier mit ihrer Version.",
  land: "Ein Bundle einspielen",
  version: "Version",
  digest: "Digest",
  updated: "Gesetzt",
  looked: (n) => `${n} Namen durchgesehen.`,
  lookFurther: "Weiter suchen",
  looking: "Die Namen werden durchgesehen …",
  attached: "aus einem Bundle, das gerade eingespielt wird",
};
