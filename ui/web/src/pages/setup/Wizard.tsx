import { Navigate, Route, Routes } from "react-router";
import { useMay, useSession } from "../../api/session";
import { Done } from "./Done";
import { SiteStep } from "./SiteStep";
import { Steps } from "./Steps";
import { TlsStep } from "./TlsStep";
import { TrustStep } from "./TrustStep";

// Wizard has the steps after the first. What each asks for is kept by the appliance
// as soon as it is given; an administrator can come back to /setup at any time.
export default function Wizard() {
  const { kind, siteName } = useSession();
  const may = useMay("settings.write");
  if (!may || kind !== "user") return <Navigate to="/" replace />;
  return (
    <Routes>
      <Route path="/setup/site" element={<Steps step="site" site={siteName}><SiteStep /></Steps>} />
      <Route path="/setup/tls" element={<Steps step="tls" site={siteName}><TlsStep /></Steps>} />
      <Route path="/setup/trust" element={<Steps step="trust" site={siteName}><TrustStep /></Steps>} />
      <Route path="/setup/done" element={<Steps site={siteName}><Done /></Steps>} />
      <Route path="*" element={<Navigate to="/setup/site" replace />} />
    </Routes>
  );
}
