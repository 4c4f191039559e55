import type { SVGProps } from "react";

// Icons of our own, on a grid of 24, in the colour of the text around them.
function icon(path: string) {
  return function Icon({ size = 20, ...rest }: SVGProps<SVGSVGElement> & { size?: number }) {
    return (
      <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false" {...rest}>
        <path d={path} />
      </svg>
    );
  };
}

export const HomeIcon = icon("M4 11.5 12 5l8 6.5M6 10v9h4v-5h4v5h4v-9");
export const LandIcon = icon("M12 4v11M7.5 10.5 12 15l4.5-4.5M4 20h16");
export const ContentIcon = icon("M12 3.5 20 8l-8 4.5L4 8zM4 12l8 4.5 8-4.5M4 16l8 4.5 8-4.5");
export const MirrorIcon = icon("M5 9h12l-3-3M19 15H7l3 3");
export const ClusterIcon = icon("M12 4l3.5 2v4L12 12 8.5 10V6zM6.5 13l3.5 2v4l-3.5 2L3 19v-4zM17.5 13l3.5 2v4l-3.5 2-3.5-2v-4z");
export const HostIcon = icon("M4 5h16v6H4zM4 13h16v6H4zM7.5 8h.01M7.5 16h.01");
export const JobIcon = icon("M6 4h12M6 20h12M7 4c0 5 10 6 10 16M17 4c0 5-10 6-10 16");
export const AuditIcon = icon("M7 4h10v16l-2.5-1.6L12 20l-2.5-1.6L7 20zM10 8.5h4M10 12h4");
export const SettingsIcon = icon("M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4");
export const UserIcon = icon("M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5");
export const CopyIcon = icon("M9 9h11v11H9zM5 15H4V4h11v1");
export const CheckIcon = icon("M5 12.5 10 17.5 19.5 7");
export const CloseIcon = icon("M6 6l12 12M18 6 6 18");
export const WarningIcon = icon("M12 4 21 20H3zM12 10v4.500M12 17.200v.01");
export const ErrorIcon = icon("M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7.500v5.500M12 16.200v.01");
export const InfoIcon = icon("M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5.500M12 7.800v.01");
export const DriveIcon = icon("M8 3h8v5H8zM6 8h12v9a4 4 0 0 1-4 4h-4a4 4 0 0 1-4-4zM10.5 5.500h.01M13.5 5.500h.01");
export const FileIcon = icon("M6 3h8l4 4v14H6zM14 3v4h4");
export const KeyIcon = icon("M8 11.5a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM11 12.500 19.500 4M15.500 8l3 3M13 10.500l2 2");
export const ShieldIcon = icon("M12 3l7.5 3v5c0 5-3.2 8.4-7.5 10-4.3-1.6-7.5-5-7.5-10V6z");
export const SearchIcon = icon("M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 21 21");
export const TrashIcon = icon("M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M10.5 11v5.500M13.5 11v5.5");
export const PinIcon = icon("M9 4h6l-1 6 3 3v2H7v-2l3-3zM12 15v6");
export const DownloadIcon = icon("M12 4v10M8 10.500l4 4 4-4M5 19h14");
export const UploadIcon = icon("M12 15V5M8 8.500l4-4 4 4M5 19h14");
export const MoreIcon = icon("M5.5 12h.01M12 12h.01M18.5 12h.01");
export const ChevronIcon = icon("M9 6l6 6-6 6");
export const PlusIcon = icon("M12 5v14M5 12h14");
export const RefreshIcon = icon("M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5");
export const ClockIcon = icon("M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5.500l3.5 2");
export const StopIcon = icon("M7 7h10v10H7z");
export const SunIcon = icon("M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 3v1.500M12 19.500V21M3 12h1.500M19.5 12H21M5.6 5.600l1 1M17.4 17.400l1 1M18.4 5.600l-1 1M6.6 17.400l-1 1");
