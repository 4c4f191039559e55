package api

// routes registers everything, by groups.
func (a *API) routes() {
	a.systemRoutes()
	a.historyRoutes()
	a.loginRoutes()
	a.userRoutes()
	a.contentRoutes()
	a.definitionRoutes()
	a.fleetRoutes()
	a.clusterRoutes()
	a.upkeepRoutes()
	a.backupRoutes()
	a.trustRoutes()
	a.bundleRoutes()
	a.uploadRoutes()
	a.driveRoutes()
	a.mirrorRoutes()
	a.jobRoutes()
	a.eventRoutes()
	a.hostRoutes()
	a.settingsRoutes()
	a.auditRoutes()
}
